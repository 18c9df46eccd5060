"""A drawn scene: all numbers of a pair, before anything is painted."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ffstereo_ros.training.scenes.camera import CameraEffects, draw_cameras
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.frame import MAX_DISPARITY, draw_frame
from ffstereo_ros.training.scenes.layer import Layer
from ffstereo_ros.training.scenes.layouts import draw_layout
from ffstereo_ros.training.settings import DEFAULT_ENLARGED

_ZOOM = (1.2, 2.0)
_DOTS_BESIDE = 256  # columns of the pattern that only the right view sees


@dataclass(frozen=True)
class VerticalError:
    """What a calibration leaves: right rows lie ``offset`` + ``tilt`` * (x - W/2) px away from the left ones."""

    offset: float = 0.0
    tilt: float = 0.0


@dataclass(frozen=True)
class Scene:
    """What stands before both cameras, from back to front, and how far their rows are off."""

    height: int
    width: int
    layers: tuple[Layer, ...]
    error: VerticalError = VerticalError()


@dataclass(frozen=True)
class Dots:
    """An infrared projector's pattern [H, W'], 0 to 1, which covers the right view's columns, too."""

    pattern: torch.Tensor
    strength: float


@dataclass(frozen=True)
class Shooting:
    """How a scene is photographed: the cameras, how many times coarser than the images they are, and the projector."""

    cameras: tuple[CameraEffects, CameraEffects]
    zoom: float = 1.0
    dots: Dots | None = None


def draw_scene(
    seed: int,
    height: int,
    width: int,
    limit: float = MAX_DISPARITY,
    *,
    effects: bool = True,
    enlarged: float = DEFAULT_ENLARGED,
) -> tuple[Scene, Shooting | None]:
    """The scene of a seed, and without ``effects`` no shooting; arguments as `sampler.sample_pair`."""
    draw = Draw(seed)
    layers = tuple(draw_layout(draw, draw_frame(draw, height, width, limit)))
    if not effects:
        return Scene(height, width, layers), None
    error = VerticalError(draw.normal(0.2), draw.normal(0.15) / width) if draw.chance(0.5) else VerticalError()
    dots = _draw_dots(draw, height, width) if draw.chance(0.08) else None
    cameras = draw_cameras(draw)
    zoom = draw.uniform(*_ZOOM) if draw.chance(enlarged) else 1.0
    return Scene(height, width, layers, error), Shooting(cameras, zoom, dots)


def _draw_dots(draw: Draw, height: int, width: int) -> Dots:
    pattern = (draw.rand(height, width + _DOTS_BESIDE) > draw.uniform(0.93, 0.985)).float()
    for axis in (0, 1):
        pattern = pattern + 0.4 * (pattern.roll(1, axis) + pattern.roll(-1, axis))
    return Dots(pattern.clamp(max=1.0), draw.uniform(0.1, 0.5))

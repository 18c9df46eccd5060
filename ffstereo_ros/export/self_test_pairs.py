"""The pairs that an engine has to answer before it is used: our own drawings, made anew at any size, torch not needed.

One is a texture shifted by a known amount, whose answer nobody has to compute. The other looks like a room: slanted
surfaces at several depths hiding one another, each with its own texture, under uneven light.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """uint8 ``[H, W, 3]`` images and the true disparity ``[H, W]`` px of the left one."""

    left: Uint8Image
    right: Uint8Image
    truth: Float32Array


@dataclass(frozen=True)
class _Surface:
    """A plane of disparity ``at + slope_x * x / W + slope_y * y / H`` px inside an ellipse or everywhere."""

    at: float
    slope_x: float
    slope_y: float
    centre: tuple[float, float] = (0.5, 0.5)
    radius: tuple[float, float] = (9.0, 9.0)


# Disparities in units of the largest searched: the far wall, the floor-like ramp, and things before them.
_ROOM = (
    _Surface(0.06, 0.02, 0.03),
    _Surface(0.13, -0.03, 0.05, (0.25, 0.7), (0.3, 0.35)),
    _Surface(0.20, 0.04, 0.0, (0.7, 0.35), (0.18, 0.25)),
    _Surface(0.28, 0.0, -0.03, (0.5, 0.65), (0.1, 0.2)),
)


def shifted_pair(height: int, width: int, max_disparity: int, seed: int = 3) -> Pair:
    """A texture whose right view is its left view moved by an eighth of ``max_disparity`` (at least 4 px)."""
    shift = shift_of(max_disparity)
    wide = _texture(height, width + shift, np.random.default_rng(seed))
    truth = np.full((height, width), shift, dtype=np.float32)
    truth[:, :shift] = np.nan  # seen by the left camera alone
    return Pair(_bytes(wide[:, :width]), _bytes(wide[:, shift:]), truth)


def shift_of(max_disparity: int) -> int:
    """The known shift, px."""
    return max(4, max_disparity // 8)


def room_pair(height: int, width: int, max_disparity: int, seed: int = 5) -> Pair:
    """The drawn room; the truth is that of the surface the left camera sees."""
    rng = np.random.default_rng(seed)
    views = {side: np.zeros((height, width, 3), np.float32) for side in ("left", "right")}
    truth = np.zeros((height, width), np.float32)
    for surface in _ROOM:
        texture = _texture(height, width, rng)
        for side, view in views.items():
            source, disparity = _seen_at(surface, height, width, max_disparity, side == "right")
            inside = _inside(surface, source, height, width)
            pixels = cv2.remap(texture, source, _rows(height, width), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            view[inside] = pixels[inside]
            if side == "left":
                truth[inside] = disparity[inside]
    light = np.linspace(1.0, 0.7, width, dtype=np.float32)[None, :, None]
    return Pair(_bytes(views["left"] * light), _bytes(views["right"] * light), truth)


def _seen_at(
    surface: _Surface, height: int, width: int, max_disparity: int, right: bool
) -> tuple[Float32Array, Float32Array]:
    """For each pixel of a view: the left column of the point of the plane it sees, and the disparity there, px."""
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    slope = surface.slope_x * max_disparity / width
    offset = (surface.at + surface.slope_y * _rows(height, width) / height) * max_disparity
    source = (columns + offset) / (1 - slope) if right else columns
    disparity = offset + slope * source
    return np.ascontiguousarray(source, np.float32), np.asarray(disparity, np.float32)


def _rows(height: int, width: int) -> Float32Array:
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width))
    return np.ascontiguousarray(rows)


def _inside(surface: _Surface, source: Float32Array, height: int, width: int) -> NDArray[np.bool_]:
    x = (source / width - surface.centre[0]) / surface.radius[0]
    y = (_rows(height, width) / height - surface.centre[1]) / surface.radius[1]
    return np.asarray(x * x + y * y <= 1.0)


def _texture(height: int, width: int, rng: np.random.Generator) -> Float32Array:
    """Colour noise [H, W, 3] of four octaves, 0..255: detail at every scale, as real surfaces have."""
    total = np.zeros((height, width, 3), np.float32)
    for octave in (2, 4, 8, 24):
        small = rng.random((height // octave + 2, width // octave + 2, 3)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) * (235 / (high - low)) + 10, dtype=np.float32)


def _bytes(values: Float32Array) -> Uint8Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)

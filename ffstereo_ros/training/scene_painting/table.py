"""Scenes as the kernel reads them: one row of floats for each layer, in the order of the kernel's structs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ffstereo_ros.training.scenes.layer import Layer, Projection, View
from ffstereo_ros.training.scenes.material import Material, Spot, TextureMap
from ffstereo_ros.training.scenes.scene import Scene
from ffstereo_ros.training.scenes.shapes import Bar, Blade, Box, Ellipse, Fence, Polygon, Shape, Silhouette, Wheel
from ffstereo_ros.training.scenes.surface import Surface

SIDES = 7  # of a polygon, at most
SPOTS = 3  # on a material, at most
FLOATS = 116
_VIEWS: tuple[View, View] = ("left", "right")
_PROJECTIONS: tuple[Projection, ...] = ("facing", "ground", "side")
_NO_TEXTURE = (-1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
_NO_SPOT = (0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_NO_WINDOW = (0.0, 0.0, 0.0, 0.0)


class SceneTable(NamedTuple):
    """Scenes of one size: layers float32 [L, FLOATS], where each scene's begin int32 [S + 1], errors float32 [S, 2]."""

    layers: Tensor
    first: Tensor
    errors: Tensor
    height: int
    width: int

    def to(self, device: torch.device) -> SceneTable:
        """The same on a device."""
        layers, first, errors = (tensor.to(device) for tensor in (self.layers, self.first, self.errors))
        return SceneTable(layers, first, errors, self.height, self.width)


def pack(scenes: Sequence[Scene]) -> SceneTable:
    """The table of scenes, all of one size, on the CPU."""
    height, width = scenes[0].height, scenes[0].width
    rows = [_layer(layer, height, width) for scene in scenes for layer in scene.layers]
    counts = torch.tensor([0, *(len(scene.layers) for scene in scenes)], dtype=torch.int32)
    errors = torch.tensor([[scene.error.offset, scene.error.tilt] for scene in scenes], dtype=torch.float32)
    layers = torch.tensor(rows, dtype=torch.float32)
    return SceneTable(layers, counts.cumsum(0, dtype=torch.int32), errors, height, width)


def _layer(layer: Layer, height: int, width: int) -> list[float]:
    windows = [layer.window(view, height, width) or _NO_WINDOW for view in _VIEWS]
    place = (
        *(layer.centre_x, layer.centre_y, math.cos(layer.angle), math.sin(layer.angle)),
        *(_PROJECTIONS.index(layer.projection), layer.vanish_x, layer.vanish_y, layer.near, layer.focal),
    )
    what = (*_surface(layer.surface), *place, *_outline(layer.shape), *_material(layer.material))
    return [*windows[0], *windows[1], *what]


def _surface(surface: Surface) -> tuple[float, ...]:
    return (
        *(surface.level, surface.centre_x, surface.centre_y, surface.slope_x, surface.slope_y),
        *(surface.height, 1 / surface.radius_x, 1 / surface.radius_y),
        *(surface.wave, surface.wave_x, surface.wave_y, surface.phase),
    )


def _outline(shape: Shape | None) -> list[float]:
    """Kind, four sizes, and of a polygon its clip and sides."""
    kind, *sizes = (0.0,) if shape is None else SIZES[type(shape)](shape)
    sides: list[float] = []
    if isinstance(shape, Polygon):
        for angle, offset in zip(shape.angles, shape.offsets):
            sides += (math.cos(angle), math.sin(angle), offset)
    clip = shape.clip if isinstance(shape, Polygon) else 0.0
    return [kind, clip, *_filled(sizes, 4), *_filled(sides, 3 * SIDES)]


# The kind's number in the kernel, and up to four sizes.
SIZES: dict[type, Callable[[Any], tuple[float, ...]]] = {
    Box: lambda box: (1, box.half_u, box.half_v, box.rounding, box.hollow),
    Bar: lambda bar: (2, bar.half_length, bar.width / 2, bar.bend),
    Blade: lambda blade: (3, blade.half_length, blade.width / 2, blade.bend),
    Ellipse: lambda ellipse: (4, ellipse.radius_u, ellipse.radius_v),
    Polygon: lambda polygon: (5, len(polygon.angles)),
    Fence: lambda fence: (6, fence.half_u, fence.half_v, fence.period, fence.width if fence.rails else -fence.width),
    Wheel: lambda wheel: (7, wheel.radius, wheel.spokes, wheel.width),
    Silhouette: lambda outline: (8, outline.index, outline.size),
}


def _material(material: Material) -> list[float]:
    mirrored = material.mirror is not None
    spots = [value for spot in material.spots for value in _spot(spot)]
    missing = SPOTS - len(material.spots)
    return [
        *material.base.tolist(),
        *material.matrix.flatten().tolist(),
        *(material.shade_x, material.shade_y, material.relief_shade),
        *_texture(material.texture),
        *_texture(material.detail),
        *_texture(material.mirror),
        *(material.detail_contrast, material.reflection if mirrored else 0.0, material.mirror_share),
        *spots,
        *(_NO_SPOT * missing),
    ]


def _texture(texture: TextureMap | None) -> tuple[float, ...]:
    if texture is None:
        return _NO_TEXTURE
    cos, sin = math.cos(texture.angle) / texture.scale, math.sin(texture.angle) / texture.scale
    return texture.index, texture.scale, cos, sin, texture.offset_u, texture.offset_v


def _spot(spot: Spot) -> tuple[float, ...]:
    kind, half_u, half_v, *_ = SIZES[type(spot.shape)](spot.shape)
    return kind, half_u, half_v, spot.centre_x, spot.centre_y, spot.strength, spot.softness, spot.share


def _filled(values: Sequence[float], count: int) -> list[float]:
    assert len(values) <= count, f"{len(values)} numbers where the kernel has room for {count}"
    return [*values, *[0.0] * (count - len(values))]

"""Cars: glossy paint without texture, dark windows that mirror the street, wheels, lamps and plates."""

from __future__ import annotations

from dataclasses import replace

import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.dressing import draw_material, draw_texture_map
from ffstereo_ros.training.scenes.frame import Frame
from ffstereo_ros.training.scenes.layer import Layer
from ffstereo_ros.training.scenes.material import Material
from ffstereo_ros.training.scenes.shapes import Box, Ellipse
from ffstereo_ros.training.scenes.surface import Surface

_AHEAD = 0.05  # px by which what lies on the paint stands before it, to be seen
_TEXTURED = 0.3  # share of cars that are painted like anything else: lorries with letters, say


def draw_car(draw: Draw, frame: Frame, surface: Surface, x: float, ground: float, scale: float) -> list[Layer]:
    """A car about ``scale`` px tall that stands on row ``ground`` at column ``x``; ``surface`` is its side."""
    half, tall = scale * draw.uniform(0.4, 0.9), scale * draw.uniform(0.3, 0.5)
    body = replace(surface, height=0.04 * surface.level, radius_x=2 * half)
    cabin = Box(half * draw.uniform(0.5, 1.0), tall * 0.9, rounding=0.3 * tall)
    paint = draw_material(draw, frame, (0.5, 3.0)) if draw.chance(_TEXTURED) else _paint(draw, frame)
    roof = replace(surface, level=surface.level * 0.985)
    glass = Box(cabin.half_u * 0.85, cabin.half_v * 0.7, rounding=0.2 * tall)
    layers = [
        Layer(roof, paint, cabin, x, ground - 1.7 * tall),
        Layer(_before(roof), _glass(draw, frame), glass, x, ground - 1.75 * tall),
        Layer(body, paint, Box(half, tall, rounding=0.4 * tall), x, ground - tall),
    ]
    for side in (-0.6, 0.6):
        tyre = Ellipse(0.38 * tall, 0.38 * tall)
        rubber = replace(draw_material(draw, frame, solid=True), base=torch.full((3,), draw.uniform(0.02, 0.15)))
        layers.append(Layer(_before(body), rubber, tyre, x + side * half, ground - 0.25 * tall))
    for _ in range(draw.integer(0, 4)):
        lamp = Box(tall * draw.uniform(0.05, 0.4), tall * draw.uniform(0.04, 0.15))
        place, above = x + draw.uniform(-0.85, 0.85) * half, draw.uniform(0.6, 1.5) * tall
        layers.append(Layer(_before(body), draw_material(draw, frame, solid=True), lamp, place, ground - above))
    return layers


def _before(surface: Surface) -> Surface:
    return surface.moved(surface.level + _AHEAD)


def _paint(draw: Draw, frame: Frame) -> Material:
    """One colour from black to overexposed white, lit from above, perhaps mirroring what is around."""
    material = draw_material(draw, frame, (0.5, 3.0), solid=True)
    grey = draw.choice((draw.uniform(0.03, 0.2), draw.uniform(0.2, 0.75), draw.uniform(0.75, 1.1)), (1, 1, 1))
    tint = (draw.rand(3) - 0.5) * (0.6 if draw.chance(0.35) else 0.08)
    shade = -draw.uniform(0.0, 1.2) / frame.height
    paint = replace(material, base=grey + tint, matrix=material.matrix * 0.03, detail=None, shade_y=shade)
    return _mirroring(draw, frame, paint, draw.uniform(0.05, 0.3)) if draw.chance(0.5) else paint


def _glass(draw: Draw, frame: Frame) -> Material:
    """Dark, and more often than not a mirror."""
    material = draw_material(draw, frame, (0.5, 3.0), solid=True)
    dark = torch.full((3,), draw.uniform(0.02, 0.25))
    glass = replace(material, base=dark, matrix=material.matrix * 0.1, detail=None)
    return _mirroring(draw, frame, glass, draw.uniform(0.1, 0.6)) if draw.chance(0.6) else glass


def _mirroring(draw: Draw, frame: Frame, material: Material, reflection: float) -> Material:
    """The same with a reflection of something far behind the surface."""
    behind = draw.uniform(0.2, 0.9) * frame.near
    return replace(material, mirror=draw_texture_map(draw, (0.6, 4.0)), reflection=reflection, mirror_disparity=behind)

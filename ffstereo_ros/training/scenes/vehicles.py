"""Cars: glossy paint without texture, dark windows that mirror the street or let it through, wheels, lamps, plates.

The truth of a window is the glass. What is seen in it or through it lies farther away, at any share of its disparity.
"""

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
    layers = [
        Layer(roof, paint, cabin, x, ground - 1.7 * tall),
        *_windows(draw, frame, _before(roof), cabin, x, ground - 1.75 * tall),
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


def _windows(draw: Draw, frame: Frame, surface: Surface, cabin: Box, x: float, y: float) -> list[Layer]:
    """One to three panes of the same glass side by side, with pillars between them."""
    count, glass = draw.integer(1, 4), _glass(draw, frame)
    half = 0.85 * cabin.half_u / count
    pane = Box(0.93 * half, 0.7 * cabin.half_v, rounding=0.5 * min(half, 0.7 * cabin.half_v) * draw.uniform(0.1, 1.0))
    places = [(2 * i + 1 - count) * half for i in range(count)]
    return [Layer(surface, _moved(glass, place), pane, x + place, y) for place in places]


def _moved(material: Material, u: float) -> Material:
    """The material of a surface ``u`` px to the right, whose pictures go on."""
    mirror = material.mirror and material.mirror.moved(u)
    return replace(material, texture=material.texture.moved(u), mirror=mirror)


def _before(surface: Surface) -> Surface:
    return surface.moved(surface.level + _AHEAD)


def _paint(draw: Draw, frame: Frame) -> Material:
    """One colour from black to overexposed white, lit from above, perhaps mirroring what is around."""
    material = draw_material(draw, frame, (0.5, 3.0), solid=True)
    grey = draw.choice((draw.uniform(0.03, 0.2), draw.uniform(0.2, 0.75), draw.uniform(0.75, 1.1)), (1, 1, 1))
    tint = (draw.rand(3) - 0.5) * (0.6 if draw.chance(0.35) else 0.08)
    shade = -draw.uniform(0.0, 1.2) / frame.height
    paint = replace(material, base=grey + tint, matrix=material.matrix * 0.03, detail=None, shade_y=shade)
    return _mirroring(draw, paint, draw.uniform(0.05, 0.45)) if draw.chance(0.5) else paint


def _glass(draw: Draw, frame: Frame) -> Material:
    """Dark, and most often something is seen in it or through it."""
    material = draw_material(draw, frame, (0.5, 3.0), solid=True)
    dark = torch.full((3,), draw.uniform(0.02, 0.25))
    glass = replace(material, base=dark, matrix=material.matrix * 0.1, detail=None)
    return _mirroring(draw, glass, draw.uniform(0.1, 0.85)) if draw.chance(0.8) else glass


def _mirroring(draw: Draw, material: Material, reflection: float) -> Material:
    """The same with an image of something far behind the surface."""
    share = draw.uniform(0.05, 0.9)
    return replace(material, mirror=draw_texture_map(draw, (0.6, 4.0)), reflection=reflection, mirror_share=share)

"""Draws single things: outlines, surfaces, and both together at a given disparity."""

from __future__ import annotations

import math
from dataclasses import replace

from ffstereo_ros.training.scenes import silhouettes
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.dressing import draw_material
from ffstereo_ros.training.scenes.frame import Frame
from ffstereo_ros.training.scenes.layer import Layer
from ffstereo_ros.training.scenes.material import Material
from ffstereo_ros.training.scenes.shapes import Bar, Blade, Box, Ellipse, Fence, Polygon, Shape, Silhouette, Wheel
from ffstereo_ros.training.scenes.surface import Surface


def draw_polygon(draw: Draw, size: float) -> Polygon:
    """A convex polygon of three to seven sides about ``size`` px from its centre."""
    count = draw.integer(3, 8)
    start = draw.uniform(0, 2 * math.pi)
    angles = tuple(start + (i + draw.uniform(-0.25, 0.25)) * 2 * math.pi / count for i in range(count))
    return Polygon(angles, tuple(size * draw.uniform(0.5, 1.0) for _ in range(count)))


def draw_solid_shape(draw: Draw, size: float) -> Shape:
    """A filled outline about ``size`` px from its centre."""
    aspect = draw.log_uniform(0.35, 1.0)
    kind = draw.choice(("polygon", "box", "rounded", "ellipse", "blob"), (3, 3, 1.5, 2, 2))
    if kind == "polygon":
        return draw_polygon(draw, size)
    if kind == "box":
        return Box(size, size * aspect, hollow=size * 0.12 if draw.chance(0.08) else 0.0)
    if kind == "rounded":
        return Box(size, size * aspect, rounding=0.9 * size * aspect * draw.uniform(0.2, 1.0))
    if kind == "ellipse":
        return Ellipse(size, size * aspect)
    return draw_silhouette(draw, size)


def draw_silhouette(draw: Draw, size: float) -> Silhouette:
    """Any irregular outline about ``size`` px from its centre; below 16 px it would lose what is thin in it."""
    return Silhouette(draw.integer(0, silhouettes.BANK_SIZE), max(16.0, size))


def draw_thin_shape(draw: Draw, size: float) -> Shape:
    """Something one to a few px thin: bars, wires, fences, wheels, leaves, branches."""
    width = draw.log_uniform(1.0, 7.0)
    kind = draw.choice(("bar", "fence", "wheel", "silhouette"), (3, 1.2, 0.8, 4))
    if kind == "bar":
        bend = draw.normal(0.3) / size if draw.chance(0.4) else 0.0
        return Bar(size * 1.5, width, bend)
    if kind == "fence":
        return Fence(size * 1.3, size, max(2.5 * width, draw.log_uniform(8, 50)), width, draw.chance(0.6))
    if kind == "wheel":
        return Wheel(size, draw.integer(3, 16), width)
    return draw_silhouette(draw, size)


def draw_surface(draw: Draw, level: float, x: float, y: float, size: float, room: float) -> Surface:
    """Flat, slanted, bulging or wavy around (x, y). ``room``: how far, px, it may leave its level over ``size`` px."""
    tilt = min(0.35, room / max(size, 1.0))
    kind = draw.choice(("flat", "slanted", "bulging", "wavy"), (3, 4, 3, 1))
    slope_x, slope_y = (0.0, 0.0) if kind == "flat" else (draw.uniform(-tilt, tilt), draw.uniform(-tilt, tilt))
    if kind == "wavy":
        length = draw.uniform(0.4, 2.0) * size
        direction, number = draw.uniform(0, 2 * math.pi), 2 * math.pi / length
        wave = min(room * 0.3, 0.25 / number) * draw.uniform(0.2, 1.0)
        wave_x, wave_y = number * math.cos(direction), number * math.sin(direction)
        return Surface(level, x, y, slope_x, slope_y, wave=wave, wave_x=wave_x, wave_y=wave_y)
    if kind != "bulging":
        return Surface(level, x, y, slope_x, slope_y)
    height = min(room, 0.25 * size) * draw.uniform(-0.3, 1.0)
    radius_x, radius_y = size * draw.uniform(1.0, 1.6), size * draw.uniform(1.0, 1.6)
    if draw.chance(0.4):
        radius_y = math.inf
    return Surface(level, x, y, slope_x / 2, slope_y / 2, height, radius_x, radius_y)


def draw_object(draw: Draw, frame: Frame, level: float, thin: bool = False) -> Layer:
    """One thing at disparity ``level`` px anywhere in the frame."""
    size = draw.log_uniform(0.05, 0.55) * frame.height
    x, y = draw.uniform(-0.05, 1.1) * frame.width, draw.uniform(0.0, 1.05) * frame.height
    shape = draw_thin_shape(draw, size) if thin else draw_solid_shape(draw, size)
    upright = draw.chance(0.5) or (isinstance(shape, Silhouette) and draw.chance(0.7))
    angle = draw.normal(0.1) if upright else draw.uniform(0, 2 * math.pi)
    if thin and isinstance(shape, Bar) and draw.chance(0.4):
        angle = draw.choice((0.0, math.pi / 2)) + draw.normal(0.05)
    surface = draw_surface(draw, level, x, y, size, room=0.12 * level + 1)
    return Layer(surface, draw_material(draw, frame, solid=thin), shape, x, y, angle)


def draw_rosette(draw: Draw, frame: Frame, level: float) -> list[Layer]:
    """Long smooth leaves around one foot at disparity ``level`` px, as an agave's: towards the camera and away from it.

    A leaf of 8 px before a wall that is half as near is what aggregation at 1/8 of the size loses first.
    """
    x, y = draw.uniform(0, 1) * frame.width, draw.uniform(0.1, 1.0) * frame.height
    size = draw.log_uniform(0.15, 0.6) * frame.height
    smooth = replace(frame, plainness=max(frame.plainness, 0.5))
    material = draw_material(draw, smooth, (0.6, 2.0), solid=True)
    leaves = []
    for _ in range(draw.integer(1, 12)):
        base = (material.base * draw.uniform(0.8, 1.2)).clamp(0.13, 0.81)
        leaves.append(draw_blade(draw, replace(material, base=base), level, x, y, size))
    return leaves


def draw_blade(draw: Draw, material: Material, level: float, x: float, y: float, size: float) -> Layer:
    """One leaf with its foot at (x, y), about ``size`` px long; along it the disparity changes by up to 40 %."""
    half = size * draw.uniform(0.3, 0.6)
    angle = draw.uniform(0, 2 * math.pi)
    width = min(half, max(3.0, size * draw.log_uniform(0.04, 0.2)))
    slope = max(-0.35, min(0.35, draw.uniform(-0.4, 0.4) * level / (2 * half)))
    middle_x, middle_y = x + half * math.cos(angle), y + half * math.sin(angle)
    at_middle = level + slope * half
    surface = Surface(at_middle, middle_x, middle_y, slope * math.cos(angle), slope * math.sin(angle))
    return Layer(surface, material, Blade(half, width, draw.normal(0.15) / half), middle_x, middle_y, angle)

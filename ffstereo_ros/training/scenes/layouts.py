"""Whole scenes: what stands where, from the back to the front."""

from __future__ import annotations

import math
from dataclasses import replace

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.dressing import draw_material
from ffstereo_ros.training.scenes.frame import Frame
from ffstereo_ros.training.scenes.layer import Layer
from ffstereo_ros.training.scenes.objects import draw_object, draw_polygon, draw_rosette, draw_silhouette, draw_surface
from ffstereo_ros.training.scenes.shapes import Bar, Box
from ffstereo_ros.training.scenes.surface import Surface
from ffstereo_ros.training.scenes.vehicles import draw_car


def backdrop(draw: Draw, frame: Frame) -> Layer:
    """A wall behind everything, nowhere nearer than half a px to infinity."""
    level = max(frame.far, 0.5)
    steep = 0.8 * level / (frame.width + frame.height)
    surface = Surface(
        level, frame.width / 2, frame.height / 2, draw.uniform(-steep, steep), draw.uniform(-steep, steep)
    )
    if draw.chance(0.3):
        bulge = draw_surface(draw, level, frame.width / 2, frame.height / 2, 0.7 * frame.width, 0.2 * level)
        surface = replace(bulge, slope_x=surface.slope_x, slope_y=surface.slope_y)
        surface = replace(surface, height=max(surface.height, -0.2 * level))
    return Layer(surface, draw_material(draw, frame, (0.8, 6.0)))


def floor(draw: Draw, frame: Frame, horizon: float) -> Layer:
    """The ground: disparity grows linearly from the horizon row down to ``near`` at the bottom row."""
    slope = frame.near / max(frame.height - horizon, 0.15 * frame.height)
    roll = draw.normal(0.02) * slope
    surface = Surface(0.0, frame.width / 2, horizon, roll, min(slope, 1.5))
    near = slope * frame.height / 2
    return Layer(surface, draw_material(draw, frame, (0.3, 2.0), solid=True), projection="ground", focal=frame.focal,
                 vanish_x=frame.width * draw.uniform(0.2, 0.8), vanish_y=horizon, near=near)  # fmt: skip


def standing_row(frame: Frame, horizon: float, level: float) -> float:
    """The row where what stands on the `floor` at disparity ``level`` px touches it."""
    return horizon + (frame.height - horizon) * level / frame.near


def side_wall(draw: Draw, frame: Frame, horizon: float, vanish: float, right: bool) -> Layer:
    """A wall that runs to the vanishing column: disparity grows linearly towards one side of the image."""
    edge = frame.width - vanish if right else vanish
    slope = min(0.55, frame.near * draw.uniform(0.5, 1.0) / max(edge, 0.2 * frame.width))
    slope = slope if right else -slope
    surface = Surface(0.0, vanish, horizon, slope, 0.0)
    return Layer(surface, draw_material(draw, frame, (0.3, 2.0)), projection="side", focal=frame.focal,
                 vanish_x=vanish, vanish_y=horizon, near=abs(slope) * frame.width / 2)  # fmt: skip


def things(draw: Draw, frame: Frame, count: int, thin_share: float) -> list[Layer]:
    """``count`` objects sorted from far to near."""
    levels = sorted(frame.level(draw) for _ in range(count))
    return [draw_object(draw, frame, level, thin=draw.chance(thin_share)) for level in levels]


def clutter(draw: Draw, frame: Frame) -> list[Layer]:
    """A wall and whatever lies before it."""
    return [backdrop(draw, frame), *things(draw, frame, draw.integer(4, 20), draw.uniform(0.0, 0.35))]


def room(draw: Draw, frame: Frame) -> list[Layer]:
    """Back wall, floor, perhaps ceiling and side walls, furnished."""
    horizon = draw.uniform(0.1, 0.6) * frame.height
    layers = [backdrop(draw, frame), floor(draw, frame, horizon)]
    if draw.chance(0.4):
        below = layers[1].surface
        ceiling = draw_material(draw, frame, (0.3, 2.0), solid=True)
        layers.append(replace(layers[1], surface=replace(below, slope_y=-below.slope_y), material=ceiling))
    for right in (False, True):
        if draw.chance(0.5):
            layers.append(side_wall(draw, frame, horizon, draw.uniform(0.25, 0.75) * frame.width, right))
    return layers + things(draw, frame, draw.integer(2, 14), draw.uniform(0.0, 0.3))


def planes(draw: Draw, frame: Frame) -> list[Layer]:
    """A few large slanted boards, as in the first Middlebury sets."""
    layers = [backdrop(draw, frame)]
    for level in sorted(frame.level(draw) for _ in range(draw.integer(2, 7))):
        size = draw.uniform(0.3, 0.9) * frame.height
        x, y = draw.uniform(0, 1) * frame.width, draw.uniform(0.1, 1) * frame.height
        surface = draw_surface(draw, level, x, y, size, room=0.4 * level)
        material = draw_material(draw, frame, (0.6, 3.0))
        layers.append(Layer(surface, material, draw_polygon(draw, size), x, y, draw.uniform(0, 2 * math.pi)))
    return layers


def display(draw: Draw, frame: Frame) -> list[Layer]:
    """Large boards and boxes before a blank wall, most on a table: what is blank beside them is the wall, no window."""
    far = frame.far * (draw.uniform(0.1, 1.0) if draw.chance(0.5) else 1.0)
    wall = backdrop(draw, replace(frame, far=far, plainness=1.0))
    paint = replace(wall.material, matrix=wall.material.matrix * draw.log_uniform(0.1, 1.0), detail=None)
    layers = [replace(wall, material=paint)]
    horizon = draw.uniform(-0.5, 0.6) * frame.height
    on_table = draw.chance(0.7)
    if on_table:
        layers.append(floor(draw, frame, horizon))
    for level in sorted(frame.level(draw) for _ in range(draw.integer(1, 5))):
        half, tall = draw.uniform(0.1, 0.6) * frame.height, draw.uniform(0.15, 0.6) * frame.height
        x = draw.uniform(0, 1) * frame.width
        foot = standing_row(frame, horizon, level) if on_table else frame.height
        surface = draw_surface(draw, level, x, foot - tall, half, room=0.2 * level)
        material = draw_material(draw, frame, (0.6, 3.0), solid=True)
        layers.append(Layer(surface, material, Box(half, tall), x, foot - tall, draw.normal(0.03)))
    return layers + things(draw, frame, draw.integer(0, 6), draw.uniform(0.0, 0.3))


def foliage(draw: Draw, frame: Frame) -> list[Layer]:
    """Leaves, branches and bars by the dozen before a wall or a floor, or a few plants of long leaves."""
    layers = room(draw, frame)[:2] if draw.chance(0.4) else [backdrop(draw, frame)]
    if draw.chance(0.5):
        return layers + things(draw, frame, draw.integer(8, 26), draw.uniform(0.6, 1.0))
    layers += things(draw, frame, draw.integer(2, 10), draw.uniform(0.3, 0.8))
    for _ in range(draw.integer(1, 4)):
        layers += draw_rosette(draw, frame, frame.level(draw))
    return layers


def street_box(draw: Draw, frame: Frame, horizon: float, level: float) -> list[Layer]:
    """A car, a post, a sign or a person that stands on the ground at disparity ``level``."""
    ground = standing_row(frame, horizon, level)
    scale = (ground - horizon) * draw.uniform(0.8, 1.2)
    x = draw.uniform(0, 1) * frame.width
    kind = draw.choice(("car", "post", "tree", "person"), (4, 2, 2, 1.5))
    material = draw_material(draw, frame, (0.5, 3.0), solid=True)
    surface = Surface(level, x, ground, draw.uniform(-0.12, 0.12) * (kind == "car"))
    if kind == "car":
        return draw_car(draw, frame, surface, x, ground, scale)
    if kind == "post":
        height = scale * draw.uniform(0.8, 2.5)
        pole = Bar(height, max(1.0, scale * draw.uniform(0.02, 0.08)))
        return [Layer(surface, material, pole, x, ground - height, math.pi / 2)]
    size = scale * (draw.uniform(0.8, 2.2) if kind == "tree" else draw.uniform(0.4, 0.6))
    outline = draw_silhouette(draw, size)
    return [Layer(surface, material, outline, x, ground - outline.size)]


def road(draw: Draw, frame: Frame) -> list[Layer]:
    """Sky, ground in perspective, walls along the sides, and what stands on the ground."""
    horizon = draw.uniform(0.2, 0.55) * frame.height
    sky = draw_material(draw, replace(frame, plainness=0.7), (2.0, 6.0), solid=True)
    # Mostly sky, else what closes the road far away. Not 0 px: answers around it would be negative half of the time.
    end = draw.uniform(0.1, 0.5) if draw.chance(0.75) else max(0.5, 0.1 * frame.far)
    layers = [Layer(Surface(end), sky), floor(draw, frame, horizon)]
    vanish = draw.uniform(0.3, 0.7) * frame.width
    for right in (False, True):
        if draw.chance(0.7):
            wall = side_wall(draw, frame, horizon, vanish, right)
            top = Box(4 * frame.width, frame.height * draw.uniform(0.15, 0.6))
            layers.append(replace(wall, shape=top, centre_x=frame.width / 2, centre_y=horizon))
    levels = sorted(frame.near * draw.uniform(0.05, 0.9) for _ in range(draw.integer(2, 12)))
    for level in levels:
        layers.extend(street_box(draw, frame, horizon, level))
    return layers


LAYOUTS = {clutter: 4.0, room: 3.0, planes: 2.0, display: 4.0, foliage: 3.6, road: 3.5}


def draw_layout(draw: Draw, frame: Frame) -> list[Layer]:
    """The layers of a scene of any kind."""
    return draw.choice(list(LAYOUTS), list(LAYOUTS.values()))(draw, frame)

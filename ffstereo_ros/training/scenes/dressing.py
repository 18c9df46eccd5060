"""Draws materials: which texture, how strong, how lit."""

from __future__ import annotations

import math

import torch

from ffstereo_ros.training.scenes import textures
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.frame import Frame
from ffstereo_ros.training.scenes.material import Material, Spot, TextureMap
from ffstereo_ros.training.scenes.shapes import Box, Ellipse, Shape


def draw_texture_map(draw: Draw, scale: tuple[float, float]) -> TextureMap:
    """Any tile at any angle, 40 % of the time upright."""
    angle = draw.choice((0.0, math.pi / 2)) if draw.chance(0.4) else draw.uniform(0, 2 * math.pi)
    tile = draw.integer(0, textures.BANK_SIZE)
    size = draw.log_uniform(*scale)
    return TextureMap(tile, size, angle, draw.uniform(0, textures.TILE), draw.uniform(0, textures.TILE))


def draw_colour_matrix(draw: Draw, contrast: float) -> torch.Tensor:
    """[3, 3]: contrast, saturation and, now and then, another order of the channels."""
    saturation = draw.uniform(0.1, 1.0)
    matrix = saturation * torch.eye(3) + (1 - saturation) / 3
    if draw.chance(0.5):
        matrix = matrix[torch.randperm(3, generator=torch.Generator().manual_seed(draw.integer(0, 1 << 30)))]
    return matrix * contrast * (-1 if draw.chance(0.3) else 1)


def draw_spot(draw: Draw, frame: Frame, light: bool) -> Spot:
    """A soft shadow, or with ``light`` a highlight."""
    size = draw.log_uniform(0.02 if light else 0.04, 0.15 if light else 0.8) * frame.height
    shape: Shape = Ellipse(size, size * draw.uniform(0.3, 1.0))
    if not light and draw.chance(0.4):
        shape = Box(size, size * draw.uniform(0.1, 1.0))
    strength = draw.uniform(0.3, 1.5) if light else -draw.uniform(0.15, 0.85)
    softness = draw.log_uniform(0.7, 8 if light else 30)
    share = draw.uniform(0.05, 0.95) if light else 1.0
    x, y = draw.uniform(0, 1) * frame.width, draw.uniform(0, 1) * frame.height
    return Spot(shape, x, y, strength, softness, share)


def draw_material(draw: Draw, frame: Frame, scale: tuple[float, float] = (0.6, 4.0), solid: bool = False) -> Material:
    """A blank surface with the frame's plainness, else a textured one. ``solid`` leaves reflections out.

    One of four is dark: black, or in the dark, its texture as faint as its colour.
    """
    plain = draw.chance(frame.plainness)
    contrast = draw.log_uniform(0.03, 0.12) if plain else draw.log_uniform(0.2, 1.3)
    detail = None if draw.chance(0.7 if plain else 0.5) else draw_texture_map(draw, (0.7, 1.5))
    spots = [draw_spot(draw, frame, light=False) for _ in range(draw.choice((0, 1, 2), (0.75, 0.18, 0.07)))]
    if draw.chance(0.06):
        spots.append(draw_spot(draw, frame, light=True))
    glossy = not solid and draw.chance(0.03)
    shade = 0.5 / frame.width
    brightness = draw.log_uniform(0.12, 0.6) if draw.chance(0.25) else 1.0
    return Material(
        base=draw.colour() * brightness,
        matrix=draw_colour_matrix(draw, contrast) * brightness,
        texture=draw_texture_map(draw, scale),
        detail=detail,
        detail_contrast=brightness * (draw.log_uniform(0.02, 0.06) if plain else draw.log_uniform(0.03, 0.4)),
        shade_x=draw.normal(shade),
        shade_y=draw.normal(shade),
        relief_shade=draw.normal(0.04),
        spots=tuple(spots),
        mirror=draw_texture_map(draw, (0.6, 4.0)) if glossy else None,
        reflection=draw.uniform(0.1, 0.6) if glossy else 0.0,
        mirror_share=draw.uniform(0.05, 0.9) if glossy else 0.0,
    )

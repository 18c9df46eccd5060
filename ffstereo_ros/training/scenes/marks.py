"""Drawn marks for textures: strokes that look like writing, and posters."""

from __future__ import annotations

import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.noise import coloured, spectral_noise


def stroke(size: int, start: tuple[float, float], end: tuple[float, float], width: float) -> torch.Tensor:
    """Coverage [size, size] in 0..1 of a line of ``width`` texels from start to end, both (y, x)."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    dy, dx = end[0] - start[0], end[1] - start[1]
    along = (((y - start[0]) * dy + (x - start[1]) * dx) / (dy * dy + dx * dx + 1e-6)).clamp(0, 1)
    distance = ((y - start[0] - along * dy).square() + (x - start[1] - along * dx).square()).sqrt()
    return (width / 2 + 0.5 - distance).clamp(0, 1)


def glyph(draw: Draw, size: int) -> torch.Tensor:
    """A made-up letter [size, size]: two to four strokes between points of a 3 x 3 lattice."""
    image = torch.zeros(size, size)
    points = [(y * size, x * size) for y in (0.12, 0.5, 0.88) for x in (0.15, 0.5, 0.85)]
    for _ in range(draw.integer(2, 5)):
        image = torch.maximum(image, stroke(size, draw.choice(points), draw.choice(points), size * 0.12 + 0.6))
    return image


def glyph_rows(draw: Draw, size: int, height: int | None = None) -> torch.Tensor:
    """Ink coverage [size, size] of rows of glyphs with word gaps and ragged line ends."""
    height = draw.choice((8, 12, 16, 24, 40)) if height is None else height
    alphabet = [glyph(draw, height) for _ in range(12)]
    ink = torch.zeros(size, size)
    for top in range(height // 3, size - height, int(height * 1.5)):
        end = draw.uniform(0.5, 1.0) * size
        left = height // 2
        while left + height < end:
            if draw.chance(0.85):
                ink[top : top + height, left : left + height] = draw.choice(alphabet)
            left += height
    return ink


def poster(draw: Draw, size: int) -> torch.Tensor:
    """An RGB tile [3, size, size] of overlapping blocks: flat, shaded, noisy or written on."""
    image = coloured(draw, spectral_noise(draw, size, 1.8))
    for _ in range(draw.integer(4, 14)):
        h, w = int(draw.uniform(0.1, 0.6) * size), int(draw.uniform(0.1, 0.6) * size)
        top, left = draw.integer(0, size - h), draw.integer(0, size - w)
        block = draw.colour(0.8).view(3, 1, 1).repeat(1, h, w)
        ramp = torch.linspace(0, 1, w).view(1, 1, -1) if draw.chance(0.5) else torch.linspace(0, 1, h).view(1, -1, 1)
        block = block + (draw.colour(0.8).view(3, 1, 1) - block) * ramp * draw.uniform(0, 0.7)
        kind = draw.choice(("flat", "noise", "text"))
        if kind == "noise":
            block = (block + 0.8 * (spectral_noise(draw, size, draw.uniform(0.5, 1.5)) - 0.5)[:h, :w]).clamp(0, 1)
        elif kind == "text" and min(h, w) > 30:
            ink = glyph_rows(draw, max(h, w), draw.choice((8, 12, 20)))[:h, :w]
            block = block * (1 - ink) + draw.colour(0.8).view(3, 1, 1) * ink
        image[:, top : top + h, left : left + w] = block
    return image.clamp(0, 1)

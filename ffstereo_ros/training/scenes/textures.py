"""The texture bank: seamless RGB tiles made from code alone, one kind a function; a number is a tile."""

from __future__ import annotations

from functools import lru_cache

import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.marks import glyph_rows, poster
from ffstereo_ros.training.scenes.noise import coloured, normalised, spectral_noise, wrapped_offset

TILE = 256
BANK_SIZE = 192
_SEED = 7_000_000


def cloud_texture(draw: Draw) -> torch.Tensor:
    """1/f noise between two or three colours: plaster, soil, bark, stains."""
    grey = spectral_noise(draw, TILE, draw.uniform(0.4, 1.8))
    return coloured(draw, grey, spectral_noise(draw, TILE, draw.uniform(0.3, 1.5)))


def grain_texture(draw: Draw) -> torch.Tensor:
    """Fine speckle: asphalt, gravel, carpet, granite."""
    fine = spectral_noise(draw, TILE, draw.uniform(-0.3, 0.5))
    if draw.chance(0.5):
        fine = (fine > draw.uniform(0.4, 0.7)).float() * 0.6 + fine * 0.4
    return coloured(draw, fine, spectral_noise(draw, TILE, 1.2))


def wood_texture(draw: Draw) -> torch.Tensor:
    """Stretched noise whose level lines are rings: wood, marble, brushed metal."""
    field = spectral_noise(draw, TILE, draw.uniform(1.2, 1.8), stretch=draw.uniform(3, 10))
    rings = 0.5 + 0.5 * torch.sin(field * draw.uniform(15, 70))
    return coloured(draw, rings * 0.6 + 0.4 * field, spectral_noise(draw, TILE, 0.6, stretch=6.0))


def stripe_texture(draw: Draw) -> torch.Tensor:
    """Stripes, checks or a grid: cloth, shutters, facades, floor tiles."""
    axis = torch.arange(TILE, dtype=torch.float32) / TILE
    count_x, count_y = draw.integer(2, 28), draw.integer(2, 28)
    duty = draw.uniform(0.1, 0.6)
    across = ((axis * count_x) % 1 < duty).float().view(1, -1)
    along = ((axis * count_y) % 1 < duty).float().view(-1, 1)
    kind = draw.choice(("stripe", "check", "grid"))
    if kind == "stripe":
        pattern = across.expand(TILE, TILE)
    else:
        pattern = (across - along).abs() if kind == "check" else torch.maximum(across, along)
    return coloured(draw, pattern.contiguous(), spectral_noise(draw, TILE, draw.uniform(0.3, 1.4)))


def brick_texture(draw: Draw) -> torch.Tensor:
    """Courses of bricks or tiles, each with its own shade, and mortar between them."""
    rows = draw.choice((4, 8, 16))
    columns = draw.choice((2, 4, 8))
    y, x = torch.meshgrid(torch.arange(TILE) / TILE * rows, torch.arange(TILE) / TILE * columns, indexing="ij")
    x = x + 0.5 * (y.floor() % 2) * float(draw.chance(0.7))
    shade = draw.rand(rows, columns)[y.long() % rows, x.long() % columns]
    joint = draw.uniform(0.02, 0.1)
    mortar = ((y % 1) < joint * rows / columns) | ((x % 1) < joint)
    image = coloured(draw, shade, spectral_noise(draw, TILE, 0.7))
    return torch.where(mortar, draw.colour(0.1).view(3, 1, 1), image)


def dead_leaves_texture(draw: Draw) -> torch.Tensor:
    """Overlapping discs and boxes whose sizes follow a power law, as edges in natural images do."""
    image = draw.colour().view(3, 1, 1).repeat(1, TILE, TILE)
    boxes = draw.chance(0.4)
    for size in sorted((draw.log_uniform(3, 60) for _ in range(170)), reverse=True):
        reach = int(size) + 1
        dy = torch.arange(-reach, reach + 1, dtype=torch.float32).view(-1, 1)
        dx = dy.view(1, -1) * draw.log_uniform(0.6, 1.6)
        inside = torch.maximum(dy.abs(), dx.abs()) < size if boxes else dy * dy + dx * dx < size * size
        rows = ((dy.view(-1, 1) + draw.integer(0, TILE)) % TILE).long()
        columns = ((torch.arange(-reach, reach + 1).view(1, -1) + draw.integer(0, TILE)) % TILE).long()
        colour = draw.colour(0.6)
        for channel in range(3):
            patch = image[channel][rows, columns]
            image[channel][rows, columns] = torch.where(inside, colour[channel], patch)
    return (image + 0.25 * (spectral_noise(draw, TILE, draw.uniform(0.3, 1.0)) - 0.5)).clamp(0, 1)


def voronoi_texture(draw: Draw) -> torch.Tensor:
    """Cells of random points on a torus: cobbles, cracks, leaves seen from afar."""
    count = draw.integer(20, 160)
    best = torch.full((TILE, TILE), 1e9)
    second = best.clone()
    shade = torch.zeros(TILE, TILE)
    for _ in range(count):
        dy, dx = wrapped_offset(TILE, draw.uniform(0, TILE), draw.uniform(0, TILE))
        distance = dy * dy + dx * dx
        nearer = distance < best
        second = torch.where(nearer, best, torch.minimum(second, distance))
        best = torch.where(nearer, distance, best)
        shade = torch.where(nearer, torch.tensor(draw.uniform(0, 1)), shade)
    edge = ((second.sqrt() - best.sqrt()) / draw.uniform(2, 8)).clamp(0, 1)
    return coloured(draw, shade, spectral_noise(draw, TILE, 0.8)) * (0.4 + 0.6 * edge)


def weave_texture(draw: Draw) -> torch.Tensor:
    """Interlaced sines over noise: cloth, baskets, corrugated sheets."""
    axis = torch.arange(TILE, dtype=torch.float32) / TILE * 2 * torch.pi
    wave_x = torch.sin(axis * draw.integer(4, 64)).view(1, -1)
    wave_y = torch.sin(axis * draw.integer(4, 64)).view(-1, 1)
    mixed = normalised(wave_x * wave_y + draw.uniform(0, 1) * wave_x)
    return coloured(draw, mixed, spectral_noise(draw, TILE, 0.9))


def text_texture(draw: Draw) -> torch.Tensor:
    """Rows of text-like strokes on paper."""
    paper = coloured(draw, spectral_noise(draw, TILE, 1.6) * 0.3)
    ink = glyph_rows(draw, TILE)
    return paper * (1 - ink) + draw.colour(0.6).view(3, 1, 1) * ink


def poster_texture(draw: Draw) -> torch.Tensor:
    """Blocks of flat colour, gradients and text: posters, boxes, shop fronts."""
    return poster(draw, TILE)


_KINDS = (
    (cloud_texture, 4.0),
    (grain_texture, 3.0),
    (wood_texture, 2.0),
    (stripe_texture, 2.0),
    (brick_texture, 2.0),
    (dead_leaves_texture, 5.0),
    (voronoi_texture, 2.0),
    (weave_texture, 1.0),
    (text_texture, 1.0),
    (poster_texture, 3.0),
)


@lru_cache(maxsize=BANK_SIZE)
def texture_tile(index: int) -> torch.Tensor:
    """Tile number ``index`` (0 .. BANK_SIZE - 1): RGB in 0..1, [3, TILE + 1, TILE + 1].

    The last row and column repeat the first, so that bilinear sampling needs no rule for the seam.
    """
    draw = Draw(_SEED + index)
    maker = draw.choice([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])
    tile = maker(draw)
    tile = torch.cat((tile, tile[:, :1]), dim=1)
    return torch.cat((tile, tile[:, :, :1]), dim=2).contiguous()

"""What a layer looks like: texture, colours, shading, shadows, highlights and reflections, all bound to its surface."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
import torch.nn.functional as F

from ffstereo_ros.training.scenes.shapes import Shape
from ffstereo_ros.training.scenes.textures import TILE, texture_tile

MIP_LEVELS = 5


@lru_cache(maxsize=24)
def mip_volume(index: int) -> torch.Tensor:
    """The tile beside copies blurred to 1/2, 1/4, 1/8, 1/16 of its resolution: [3, levels, TILE + 1, TILE + 1]."""
    tile = texture_tile(index)[:, :-1, :-1]
    frequency = torch.fft.fftfreq(TILE).view(-1, 1).square() + torch.fft.rfftfreq(TILE).view(1, -1).square()
    spectrum = torch.fft.rfft2(tile)
    levels = []
    for level in range(MIP_LEVELS):
        sigma = 0.45 * 2**level if level else 0.0
        blurred = torch.fft.irfft2(spectrum * torch.exp(-2 * (math.pi * sigma) ** 2 * frequency), s=(TILE, TILE))
        blurred = torch.cat((blurred, blurred[:, :1]), dim=1)
        levels.append(torch.cat((blurred, blurred[:, :, :1]), dim=2))
    return torch.stack(levels, dim=1).contiguous()


def _wrapped(coordinate: torch.Tensor) -> torch.Tensor:
    """Texel coordinates folded into the tile and scaled to grid_sample's -1 .. 1."""
    turns = coordinate / TILE
    return (turns - turns.floor()) * 2 - 1


@dataclass(frozen=True)
class TextureMap:
    """Tile ``index`` on the layer: ``scale`` px per texel, turned by ``angle`` (rad), moved by the offsets (texels)."""

    index: int
    scale: float
    angle: float
    offset_u: float
    offset_v: float

    def sample(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """RGB in 0..1, [3, H, W], at layer coordinates u, v [H, W] px."""
        cos, sin = math.cos(self.angle) / self.scale, math.sin(self.angle) / self.scale
        s = _wrapped(cos * u + sin * v + self.offset_u)
        t = _wrapped(cos * v - sin * u + self.offset_v)
        tile = texture_tile(self.index).to(u.device)
        return F.grid_sample(tile[None], torch.stack((s, t), dim=-1)[None], align_corners=True)[0]

    def moved(self, u: float) -> TextureMap:
        """What a surface whose origin lies ``u`` px to the right shows, where the texture goes on."""
        cos, sin = math.cos(self.angle) / self.scale, math.sin(self.angle) / self.scale
        return replace(self, offset_u=self.offset_u + cos * u, offset_v=self.offset_v - sin * u)

    def sample_far(self, u: torch.Tensor, v: torch.Tensor, shrink: torch.Tensor) -> torch.Tensor:
        """As `sample`, for a surface seen ``shrink`` [H, W] times smaller than texel by pixel: blurred accordingly."""
        s = _wrapped(u / self.scale + self.offset_u)
        t = _wrapped(v / self.scale + self.offset_v)
        level = (torch.log2((shrink / self.scale).clamp_min(1e-3)) / (MIP_LEVELS - 1)).clamp(0, 1) * 2 - 1
        volume = mip_volume(self.index).to(u.device)
        grid = torch.stack((s, t, level), dim=-1)[None, None]
        return F.grid_sample(volume[None], grid, align_corners=True)[0, :, 0]


@dataclass(frozen=True)
class Spot:
    """A soft dark or bright region; ``softness`` in px.

    ``strength`` below 0 is a shadow, which darkens the surface by that part and lies on it. Above 0 it is a highlight,
    the image of a lamp: it adds that part of full scale and has ``share`` of the surface's disparity: it lies behind.
    """

    shape: Shape
    centre_x: float
    centre_y: float
    strength: float
    softness: float
    share: float = 1.0

    def light(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The strength [H, W] at left image coordinates, fading over the edge."""
        distance = self.shape.distance(
            (x - self.centre_x).expand(torch.broadcast_shapes(x.shape, y.shape)),
            (y - self.centre_y).expand(torch.broadcast_shapes(x.shape, y.shape)),
        )
        return self.strength * torch.sigmoid(-distance / self.softness)


@dataclass(frozen=True)
class Material:
    """colour = base + matrix (texture - 1/2), times shading; then reflections and highlights.

    ``matrix`` [3, 3] holds contrast and saturation; a contrast near 0 makes a plain surface. ``detail`` is a second,
    fine texture of contrast ``detail_contrast``. ``shade_x`` and ``shade_y`` darken along the layer, per px;
    ``relief_shade`` is the brightness per px of relief. ``reflection`` mixes in ``mirror``, an image of
    ``mirror_share`` of the surface's disparity: what a mirror shows or glass lets through lies behind it.
    """

    base: torch.Tensor
    matrix: torch.Tensor
    texture: TextureMap
    detail: TextureMap | None = None
    detail_contrast: float = 0.0
    shade_x: float = 0.0
    shade_y: float = 0.0
    relief_shade: float = 0.0
    spots: tuple[Spot, ...] = field(default_factory=tuple)
    mirror: TextureMap | None = None
    reflection: float = 0.0
    mirror_share: float = 0.0

    def coloured(self, texels: torch.Tensor) -> torch.Tensor:
        """Texels [3, H, W] mapped to the material's colours."""
        flat = self.matrix.to(texels.device) @ (texels.flatten(1) - 0.5)
        return flat.add_(self.base.to(texels.device)[:, None]).view_as(texels)

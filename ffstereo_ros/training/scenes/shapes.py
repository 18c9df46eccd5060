"""Outlines as signed distances in px (negative inside), sampled at float coordinates so that both views agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F

from ffstereo_ros.training.scenes.silhouettes import SILHOUETTE, silhouette


class Shape(Protocol):
    """An outline around the origin."""

    @property
    def reach(self) -> float:
        """Distance in px from the origin beyond which nothing is inside."""
        ...

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Signed distance in px at shape coordinates u, v [H, W]."""
        ...


@dataclass(frozen=True)
class Box:
    """A rectangle with half sizes; ``rounding`` of the corners; ``hollow`` leaves a frame of that width."""

    half_u: float
    half_v: float
    rounding: float = 0.0
    hollow: float = 0.0

    @property
    def reach(self) -> float:
        return math.hypot(self.half_u, self.half_v)

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        outside_u = u.abs() - (self.half_u - self.rounding)
        outside_v = v.abs() - (self.half_v - self.rounding)
        if self.rounding:
            corner = (outside_u.clamp_min(0).square() + outside_v.clamp_min(0).square()).sqrt()
            result = corner + torch.maximum(outside_u, outside_v).clamp_max(0) - self.rounding
        else:
            result = torch.maximum(outside_u, outside_v)
        return torch.maximum(result, -result - self.hollow) if self.hollow else result


@dataclass(frozen=True)
class Bar:
    """A long strip of constant width, bent into a parabola by ``bend`` (px of sag per px squared)."""

    half_length: float
    width: float
    bend: float = 0.0

    @property
    def reach(self) -> float:
        return self.half_length + abs(self.bend) * self.half_length**2 + self.width

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        across = v - self.bend * u.square() if self.bend else v
        return torch.maximum(across.abs() - self._half_width(u), u.abs() - self.half_length)

    def _half_width(self, u: torch.Tensor) -> torch.Tensor | float:
        return self.width / 2


@dataclass(frozen=True)
class Blade(Bar):
    """A bar that tapers from ``width`` at its foot, ``-half_length``, to nothing.

    The distance is measured across the strip: off by the cosine of its taper, which is below a fifth.
    """

    def _half_width(self, u: torch.Tensor) -> torch.Tensor:
        along = ((u / self.half_length + 1) / 2).clamp(0, 1)
        return self.width / 2 * (1 - along.square())


@dataclass(frozen=True)
class Ellipse:
    """An ellipse; the distance is exact on the axes, which is enough for its one-pixel edge."""

    radius_u: float
    radius_v: float

    @property
    def reach(self) -> float:
        return max(self.radius_u, self.radius_v)

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        radius = ((u / self.radius_u).square() + (v / self.radius_v).square()).sqrt()
        return (radius - 1) * min(self.radius_u, self.radius_v)


@dataclass(frozen=True)
class Polygon:
    """A convex polygon: half-planes with unit normals at ``angles`` (rad) and ``offsets`` (px) from the origin."""

    angles: tuple[float, ...]
    offsets: tuple[float, ...]

    @property
    def reach(self) -> float:
        return self.clip * math.sqrt(2)

    @property
    def clip(self) -> float:
        """Half of the square that a sharp corner is cut off by, px."""
        return 1.6 * max(self.offsets)

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        result = torch.maximum(u.abs(), v.abs()) - self.clip
        for angle, offset in zip(self.angles, self.offsets):
            result = torch.maximum(result, math.cos(angle) * u + math.sin(angle) * v - offset)
        return result


@dataclass(frozen=True)
class Fence:
    """Bars of ``width`` every ``period`` px inside a box, with or without two rails across."""

    half_u: float
    half_v: float
    period: float
    width: float
    rails: bool = True

    @property
    def reach(self) -> float:
        return math.hypot(self.half_u, self.half_v)

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        bars = (u - self.period * torch.round(u / self.period)).abs() - self.width / 2
        if self.rails:
            bars = torch.minimum(bars, (v.abs() - self.half_v * 0.6).abs() - self.width / 2)
        return torch.maximum(bars, torch.maximum(u.abs() - self.half_u, v.abs() - self.half_v))


@dataclass(frozen=True)
class Wheel:
    """A rim, a hub and spokes, all of ``width`` px."""

    radius: float
    spokes: int
    width: float

    @property
    def reach(self) -> float:
        return self.radius + 2 * self.width

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        radius = (u.square() + v.square()).sqrt()
        step = 2 * math.pi / self.spokes
        angle = torch.atan2(v, u)
        away = radius * torch.sin((angle - step * torch.round(angle / step)).abs())
        rim = (radius - self.radius).abs() - 2 * self.width
        spoke = torch.maximum(away - self.width / 2, radius - self.radius)
        return torch.minimum(torch.minimum(rim, spoke), radius - 3 * self.width)


@dataclass(frozen=True)
class Silhouette:
    """Outline number ``index`` of the silhouette bank (foliage, trees, blobs, people), ``size`` px each way."""

    index: int
    size: float

    @property
    def reach(self) -> float:
        return self.size * math.sqrt(2)

    def distance(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        field = silhouette(self.index).to(u.device)
        grid = torch.stack((u / self.size, v / self.size), dim=-1)[None]
        texels = F.grid_sample(field[None, None], grid, padding_mode="border", align_corners=True)[0, 0]
        outside = torch.maximum(u.abs(), v.abs()) - self.size
        return torch.maximum(texels * (2 * self.size / SILHOUETTE), outside)

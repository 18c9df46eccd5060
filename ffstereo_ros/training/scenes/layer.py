"""One layer of a scene: a surface cut out by a shape and covered by a material, evaluated in either view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from ffstereo_ros.training.scenes.material import Material
from ffstereo_ros.training.scenes.shapes import Shape
from ffstereo_ros.training.scenes.surface import Surface

View = Literal["left", "right"]
Projection = Literal["facing", "ground", "side"]
FOCAL = 160  # px


@dataclass(frozen=True)
class Layer:
    """``shape`` None covers everything. ``projection`` lays the texture on a facing plane, or in perspective on a
    ground or a side wall with vanishing point ``(vanish_x, vanish_y)``, whose texels have their size at ``near`` px, as
    seen by a camera of focal length ``focal`` px.
    """

    surface: Surface
    material: Material
    shape: Shape | None = None
    centre_x: float = 0.0
    centre_y: float = 0.0
    angle: float = 0.0
    projection: Projection = "facing"
    vanish_x: float = 0.0
    vanish_y: float = 0.0
    near: float = 1.0
    focal: float = FOCAL

    @property
    def _foreshortening(self) -> float:
        """How much more a ground's texels shrink along it, which counts half, than with `FOCAL`."""
        return math.sqrt(self.focal / FOCAL)

    def window(self, view: View, height: int, width: int) -> tuple[int, int, int, int] | None:
        """(top, bottom, left, right) px of the image part the layer can touch, or None."""
        if self.shape is None:
            return 0, height, 0, width
        reach = self.shape.reach + 2
        slant = (abs(self.surface.slope_x) + abs(self.surface.slope_y)) * reach
        spread = slant + abs(self.surface.height) + abs(self.surface.wave)
        level = self.surface.level + self.surface.slope_x * (self.centre_x - self.surface.centre_x)
        level += self.surface.slope_y * (self.centre_y - self.surface.centre_y)
        shift = (level, spread) if view == "right" else (0.0, 0.0)
        top, bottom = math.floor(self.centre_y - reach), math.ceil(self.centre_y + reach) + 1
        left = math.floor(self.centre_x - reach - shift[0] - shift[1])
        right = math.ceil(self.centre_x + reach - shift[0] + shift[1]) + 1
        top, bottom, left, right = max(0, top), min(height, bottom), max(0, left), min(width, right)
        return (top, bottom, left, right) if top < bottom and left < right else None

    def coordinates(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Shape coordinates u, v [H, W] of left image coordinates."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        dx, dy = x - self.centre_x, y - self.centre_y
        return cos * dx + sin * dy, cos * dy - sin * dx

    def colour(
        self, x: torch.Tensor, y: torch.Tensor, u: torch.Tensor, v: torch.Tensor, d: torch.Tensor, view: View
    ) -> torch.Tensor:
        """RGB [3, H, W] at left image coordinates x, y with shape coordinates u, v and disparity d."""
        material = self.material
        colour = material.coloured(self._texels(x, y, u, v, d))
        if material.detail is not None:
            colour = colour + material.detail_contrast * (material.detail.sample(u, v) - 0.5)
        colour = colour * self._shading(x, y, u, v)
        if material.mirror is not None:
            if view == "right":
                u, v = self.coordinates(x - (1 - material.mirror_share) * d, y)
            colour = torch.lerp(colour, material.mirror.sample(u, v), material.reflection)
        for spot in material.spots:
            if spot.strength > 0:
                colour = colour + spot.light(x - (1 - spot.share) * d if view == "right" else x, y)
        return colour

    def _texels(
        self, x: torch.Tensor, y: torch.Tensor, u: torch.Tensor, v: torch.Tensor, d: torch.Tensor
    ) -> torch.Tensor:
        if self.projection == "facing":
            return self.material.texture.sample(u, v)
        shrink = self.near / d.clamp_min(0.5)
        depth = shrink * self.focal
        across = (x - self.vanish_x) if self.projection == "ground" else (y - self.vanish_y)
        return self.material.texture.sample_far(across * shrink, depth, shrink.pow(1.5) * self._foreshortening)

    def _shading(self, x: torch.Tensor, y: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        material = self.material
        shade = 1 + material.shade_x * u + material.shade_y * v
        if material.relief_shade:
            relief = self.surface.relief(x, y)
            if relief is not None:
                shade = shade + material.relief_shade * relief
        for spot in material.spots:
            if spot.strength < 0:
                shade = shade * (1 + spot.light(x, y))
        return shade.clamp(0.1, 2.5)

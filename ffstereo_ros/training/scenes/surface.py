"""Disparity as an analytic function of the left image, and its exact counterpart in the right image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Surface:
    """d(x, y) = plane + bump + undulation, in px of the left image.

    Plane: ``level`` at (centre_x, centre_y) with slopes per px. Bump: ``height`` * (1 - r^2)^2 inside the ellipse of
    ``radius_x`` and ``radius_y`` (an infinite radius makes a ridge). Undulation: ``wave`` * sin(wave_x x + wave_y y +
    phase). The slope along x stays below 1 everywhere, so the surface hides nothing of itself.
    """

    level: float
    centre_x: float = 0.0
    centre_y: float = 0.0
    slope_x: float = 0.0
    slope_y: float = 0.0
    height: float = 0.0
    radius_x: float = float("inf")
    radius_y: float = float("inf")
    wave: float = 0.0
    wave_x: float = 0.0
    wave_y: float = 0.0
    phase: float = 0.0

    def relief(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor | None:
        """What stands out from the plane at left image coordinates, px, or None where the surface is a plane."""
        total: torch.Tensor | None = None
        if self.height:
            squared = ((x - self.centre_x) / self.radius_x).square() + ((y - self.centre_y) / self.radius_y).square()
            total = self.height * (1 - squared).clamp_min(0).square()
        if self.wave:
            waves = self.wave * torch.sin(self.wave_x * x + self.wave_y * y + self.phase)
            total = waves if total is None else total + waves
        return total

    def disparity(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Disparity in px at left image coordinates x [1, W] or [H, W], y [H, 1] or [H, W]; float32 [H, W]."""
        plane = (self.level - self.slope_x * self.centre_x) + self.slope_x * x
        plane = plane + self.slope_y * (y - self.centre_y)
        relief = self.relief(x, y)
        return plane if relief is None else plane + relief

    def left_column(self, x_right: torch.Tensor, y: torch.Tensor, steps: int = 6) -> torch.Tensor:
        """The left column [H, W] that projects to right column ``x_right``: solves x - d(x, y) = x_right.

        Exact for a plane; relief is added by fixed-point steps, each of which shrinks the error by at least the
        relief's slope over (1 - slope_x), below 0.5 for the surfaces of the layouts.
        """
        base = self.level - self.slope_x * self.centre_x + self.slope_y * (y - self.centre_y)
        x = (x_right + base) / (1 - self.slope_x)
        if not self.height and not self.wave:
            return x
        plane = x
        for _ in range(steps):
            relief = self.relief(x, y)
            assert relief is not None
            x = plane + relief / (1 - self.slope_x)
        return x

    def moved(self, level: float) -> Surface:
        """The same form at another disparity."""
        return replace(self, level=level)

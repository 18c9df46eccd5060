"""The painter: layers to one view's image and exact disparity, and from two views the occlusion mask."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ffstereo_ros.training.scenes.layer import Layer, View
from ffstereo_ros.training.scenes.scene import Scene


class Views(NamedTuple):
    """What perfect cameras see: images float32 [3, H, W] around 0..1, each view's own disparity float32 [H, W] px."""

    left: torch.Tensor
    right: torch.Tensor
    disparity: torch.Tensor
    right_disparity: torch.Tensor


def render(scene: Scene, device: torch.device | str = "cpu") -> Views:
    """Paints the layers of a scene in order, the larger disparity in front."""
    left, disparity = _render_view(scene, "left", torch.device(device))
    right, right_disparity = _render_view(scene, "right", torch.device(device))
    return Views(left, right, disparity, right_disparity)


def _render_view(scene: Scene, view: View, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = scene.height, scene.width
    image = torch.zeros(3, height, width, device=device)
    disparity = torch.full((height, width), -1.0, device=device)
    rows = torch.arange(height, dtype=torch.float32, device=device).view(-1, 1)
    columns = torch.arange(width, dtype=torch.float32, device=device).view(1, -1)
    for layer in scene.layers:
        window = layer.window(view, height, width)
        if window is not None:
            top, bottom, left, right = window
            part = (slice(top, bottom), slice(left, right))
            y, x = rows[top:bottom], columns[:, left:right]
            if view == "right":
                y = y + scene.error.offset + scene.error.tilt * (x - width / 2)
                x = layer.surface.left_column(x, y)
            _paint(layer, x, y, image[:, part[0], part[1]], disparity[part], view)
    return image, disparity


def _paint(
    layer: Layer, x: torch.Tensor, y: torch.Tensor, image: torch.Tensor, disparity: torch.Tensor, view: View
) -> None:
    """Blends one layer into windows of the image and the disparity map, in place."""
    d = layer.surface.disparity(x, y)
    d = d.expand_as(disparity)
    u, v = layer.coordinates(x, y)
    visible = (d > disparity).float()
    if layer.shape is not None:
        u, v = u.expand_as(disparity).contiguous(), v.expand_as(disparity).contiguous()
        visible = visible * (0.5 - layer.shape.distance(u, v)).clamp(0, 1)
    if not bool(visible.any()):
        return
    u, v = u.expand_as(disparity), v.expand_as(disparity)
    colour = layer.colour(x, y, u, v, d, view)
    image.lerp_(colour, visible)
    disparity.copy_(torch.where(visible > 0.5, d, disparity))


def occluded(disparity: torch.Tensor, other: torch.Tensor, tolerance: float = 0.6) -> torch.Tensor:
    """Left pixels the right camera does not see: bool [H, W].

    ``disparity`` and ``other`` [H, W] px are the left and the right view's own maps. A point is hidden where the right
    view shows something nearer at x - d, or where x - d lies outside the image.
    """
    width = disparity.shape[1]
    column = torch.arange(width, dtype=torch.float32, device=disparity.device).view(1, -1) - disparity
    low = (column + 1e-3).floor()
    between = (column - low) > 1e-3
    low = low.clamp(0, width - 1).long()
    high = (low + between.long()).clamp(max=width - 1)
    nearest = torch.minimum(other.gather(1, low), other.gather(1, high))
    return (nearest > disparity + tolerance) | (column < 0) | (column > width - 1)

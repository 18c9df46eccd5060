"""From a seed to a finished training pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ffstereo_ros.training.scenes.camera import draw_cameras, photograph, project_dots
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.frame import MAX_DISPARITY, draw_frame
from ffstereo_ros.training.scenes.layouts import draw_layout
from ffstereo_ros.training.scenes.render import VerticalError, occluded, render_view
from ffstereo_ros.training.settings import DEFAULT_ENLARGED

_ZOOM = (1.2, 2.0)


@dataclass(frozen=True)
class ScenePair:
    """A rectified pair: images uint8 [3, H, W], each view's own disparity float32 [H, W] px, left pixels unseen by the
    right camera bool [H, W]."""

    left: torch.Tensor
    right: torch.Tensor
    disparity: torch.Tensor
    right_disparity: torch.Tensor
    occlusion: torch.Tensor

    def mirrored(self) -> ScenePair:
        """The mirrored pair: flipping both images and swapping them is a second valid pair of the same scene."""
        flip = [t.flip(-1) for t in (self.right, self.left, self.right_disparity, self.disparity)]
        return ScenePair(flip[0], flip[1], flip[2], flip[3], occluded(flip[2], flip[3]))


def sample_pair(
    seed: int,
    height: int,
    width: int,
    limit: float = MAX_DISPARITY,
    *,
    effects: bool = True,
    enlarged: float = DEFAULT_ENLARGED,
    device: torch.device | str = "cpu",
) -> ScenePair:
    """The pair of a seed: equal arguments give equal pairs. Things stand no nearer than about ``limit`` px.

    Without ``effects`` the cameras are perfect: no noise, no vertical error, no infrared dots. A share of ``enlarged``
    of all pairs are images of a coarser sensor, enlarged by 1.2 to 2.
    """
    draw = Draw(seed)
    frame = draw_frame(draw, height, width, limit)
    layers = draw_layout(draw, frame)
    error = (
        VerticalError(draw.normal(0.2), draw.normal(0.15) / width) if effects and draw.chance(0.5) else VerticalError()
    )
    left, disparity = render_view(layers, height, width, "left", device=device)
    right, right_disparity = render_view(layers, height, width, "right", error, device=device)
    hidden = occluded(disparity, right_disparity)
    if not effects:
        return ScenePair(_as_bytes(left), _as_bytes(right), disparity, right_disparity, hidden)
    if draw.chance(0.08):
        left, right = _with_dots(draw, left, right, disparity, right_disparity)
    left_camera, right_camera = draw_cameras(draw)
    zoom = draw.uniform(*_ZOOM) if draw.chance(enlarged) else 1.0
    left, right = photograph(left_camera, left, zoom), photograph(right_camera, right, zoom)
    return ScenePair(left, right, disparity, right_disparity, hidden)


def _as_bytes(image: torch.Tensor) -> torch.Tensor:
    return image.clamp(0, 1).mul(255).round().to(torch.uint8)


def _with_dots(
    draw: Draw, left: torch.Tensor, right: torch.Tensor, disparity: torch.Tensor, right_disparity: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both images under one projected dot pattern that covers the right view's columns too."""
    height, width = disparity.shape
    pattern = (draw.rand(height, width + 200) > draw.uniform(0.93, 0.985)).float()
    soft = pattern.clone()
    for axis in (0, 1):
        soft = soft + 0.4 * (soft.roll(1, axis) + soft.roll(-1, axis))
    soft = soft.clamp(max=1.0).to(left.device)
    strength = draw.uniform(0.1, 0.5)
    return (
        project_dots(left, disparity, soft, strength, left=True),
        project_dots(right, right_disparity, soft, strength, left=False),
    )

"""From a seed to a finished training pair."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ffstereo_ros.training.scenes.camera import photograph, project_dots
from ffstereo_ros.training.scenes.frame import MAX_DISPARITY
from ffstereo_ros.training.scenes.render import Views, occluded, render
from ffstereo_ros.training.scenes.scene import Shooting, draw_scene
from ffstereo_ros.training.settings import DEFAULT_ENLARGED


@dataclass(frozen=True)
class ScenePair:
    """A rectified pair: images uint8 [3, H, W], each view's own disparity float32 [H, W] px."""

    left: torch.Tensor
    right: torch.Tensor
    disparity: torch.Tensor
    right_disparity: torch.Tensor

    @property
    def occlusion(self) -> torch.Tensor:
        """Left pixels unseen by the right camera, bool [H, W]."""
        return occluded(self.disparity, self.right_disparity)

    def mirrored(self) -> ScenePair:
        """The mirrored pair: flipping both images and swapping them is a second valid pair of the same scene."""
        flip = [t.flip(-1) for t in (self.right, self.left, self.right_disparity, self.disparity)]
        return ScenePair(*flip)


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
    scene, shooting = draw_scene(seed, height, width, limit, effects=effects, enlarged=enlarged)
    return photographed(render(scene, device), shooting)


def photographed(views: Views, shooting: Shooting | None) -> ScenePair:
    """The pair that the shooting's cameras make of a scene's views; perfect ones without a shooting."""
    left, right = views.left, views.right
    if shooting is None:
        return ScenePair(_as_bytes(left), _as_bytes(right), views.disparity, views.right_disparity)
    if shooting.dots is not None:
        pattern, strength = shooting.dots.pattern.to(left.device), shooting.dots.strength
        left = project_dots(left, views.disparity, pattern, strength, left=True)
        right = project_dots(right, views.right_disparity, pattern, strength * _lit(views), left=False)
    images = [photograph(camera, view, shooting.zoom) for camera, view in zip(shooting.cameras, (left, right))]
    return ScenePair(images[0], images[1], views.disparity, views.right_disparity)


def _lit(views: Views) -> torch.Tensor:
    """Where the light of the projector, which stands at the left camera, meets what the right one sees: 0 or 1, [H, W].

    Elsewhere something nearer is in its way: matched by its dots, what is hidden would be found.
    """
    hidden = occluded(views.right_disparity.flip(-1), views.disparity.flip(-1)).flip(-1)
    width = hidden.shape[1]
    column = torch.arange(width, device=hidden.device) + views.right_disparity
    return (~hidden | (column > width - 1)).float()


def _as_bytes(image: torch.Tensor) -> torch.Tensor:
    return image.clamp(0, 1).mul(255).round().to(torch.uint8)

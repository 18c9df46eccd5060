"""What the network's benchmarks look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SEED = 0


def scene_images(height: int, width: int) -> Tensor:
    """Left and right of a generated scene, uint8 [2, H, W, 3] RGB.

    No noise: upsampling works hardest beside steps of the disparity, of which an answer to noise is full.
    """
    import torch

    from ffstereo_ros.training.scenes.sampler import sample_pair

    pair = sample_pair(_SEED, height, width)
    return torch.stack((pair.left, pair.right)).permute(0, 2, 3, 1).contiguous()

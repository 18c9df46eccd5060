"""What the kernel computes, in PyTorch: the definition that it is tested against, and what CPU tensors get."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.kernels.correlation_volume.reference import shifted

KINDS = 3  # of a disparity: the first, between, the last
REACH = 2  # columns left of the image to which the right map reaches


def add_volume_terms(volume: Tensor, left: Tensor, right: Tensor, negative_slope: float) -> Tensor:
    """See `ffstereo_ros.kernels.volume_terms.add_volume_terms_`; this one returns a new tensor."""
    disparities = volume.shape[2]
    kinds = torch.tensor([0] + [1] * (disparities - 2) + [2], device=volume.device)
    by_kind = left.unflatten(1, (KINDS, -1))  # [B, kind, C, H, W]
    from_left = by_kind[:, kinds].transpose(1, 2)  # [B, C, D, H, W]
    shifts = shifted(right, disparities)[..., REACH:].unflatten(1, (2, KINDS, -1))  # [B, column kind, kind, C, D, H, W]
    of_disparity = kinds.view(1, 1, 1, 1, -1, 1, 1).expand(*shifts.shape[:2], 1, *shifts.shape[3:])
    inner, last_column = shifts.gather(2, of_disparity).squeeze(2).unbind(1)
    from_right = torch.cat((inner[..., :-1], last_column[..., -1:]), dim=-1)
    return F.leaky_relu(volume + from_left + from_right, negative_slope)

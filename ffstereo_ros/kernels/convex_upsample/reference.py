"""What the kernel computes, in PyTorch: the definition that it is tested against, and what CPU tensors get."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FACTOR = 4


def convex_upsample(disparity: Tensor, logits: Tensor, surface_radius: float | None = None) -> Tensor:
    """See `ffstereo_ros.kernels.convex_upsample.convex_upsample`."""
    B, _, h, w = disparity.shape
    logits = logits if logits.dtype == torch.float64 else logits.float()
    weights = logits.softmax(dim=1).view(B, 9, h, FACTOR, w, FACTOR)
    outside = "constant" if surface_radius is None else "replicate"
    padded = F.pad(FACTOR * disparity.to(logits.dtype), (1, 1, 1, 1), mode=outside)
    neighbours = F.unfold(padded, kernel_size=3).view(B, 9, h, 1, w, 1)
    if surface_radius is not None:
        near = [(neighbours - neighbours[:, i : i + 1]).abs() <= surface_radius for i in range(9)]
        chosen = torch.stack([(weights * each).sum(dim=1) for each in near]).argmax(dim=0)  # [B, h, 4, w, 4]
        weights = weights * sum(each * (chosen == i).unsqueeze(1) for i, each in enumerate(near))
        weights = weights / weights.sum(dim=1, keepdim=True)
    return (weights * neighbours).sum(dim=1).reshape(B, 1, FACTOR * h, FACTOR * w)

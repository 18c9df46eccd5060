"""What the kernel computes, in PyTorch: the definition that it is tested against, and what CPU tensors get."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FACTOR = 4


def convex_upsample(disparity: Tensor, logits: Tensor) -> Tensor:
    """See `ffstereo_ros.kernels.convex_upsample.convex_upsample`."""
    B, _, h, w = disparity.shape
    logits = logits if logits.dtype == torch.float64 else logits.float()
    weights = logits.softmax(dim=1).view(B, 9, h, FACTOR, w, FACTOR)
    neighbours = F.unfold(FACTOR * disparity.to(logits.dtype), kernel_size=3, padding=1).view(B, 9, h, 1, w, 1)
    return (weights * neighbours).sum(dim=1).reshape(B, 1, FACTOR * h, FACTOR * w)

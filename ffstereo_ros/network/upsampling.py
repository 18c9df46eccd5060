"""Convex upsampling: each full-resolution disparity is a learned weighting of its 3x3 quarter-resolution neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FACTOR = 4


def convex_upsample(disparity: Tensor, logits: Tensor) -> Tensor:
    """Disparity [B, 1, h, w] in quarter px, weights before softmax [B, 9, 4h, 4w] -> [B, 1, 4h, 4w] in full px.

    Neighbours in row-major order; outside the image they are zero.
    """
    B, _, h, w = disparity.shape
    # softmax copies twice what does not lie in planes
    planes = logits.to(torch.float32, memory_format=torch.contiguous_format)
    weights = planes.softmax(dim=1).view(B, 9, h, FACTOR, w, FACTOR)
    neighbours = F.unfold(FACTOR * disparity.float(), kernel_size=3, padding=1).view(B, 9, h, 1, w, 1)
    return (weights * neighbours).sum(dim=1).reshape(B, 1, FACTOR * h, FACTOR * w)

"""Convex upsampling over one surface, on a CPU: only beside steps is there more than one."""

from __future__ import annotations

import torch
from torch import Tensor

from ffstereo_ros.network.upsampling import FACTOR, surface_mean, weighted_mean, windows


def upsample_beside_steps(disparity: Tensor, logits: Tensor, surface_radius: float) -> Tensor:
    """`convex_upsample` with a ``surface_radius``: [B, 1, h, w] quarter px -> [B, 1, 4h, 4w] px.

    Quarter-resolution pixels with neighbours farther apart than that are a minority; for the others the mean over all
    is the same. Quickest with the logits' channels last in memory.
    """
    _, _, h, w = disparity.shape
    neighbours = windows(disparity, "replicate")
    upsampled = weighted_mean(neighbours, logits)
    b, y, x = ((neighbours.amax(dim=1) - neighbours.amin(dim=1)) > surface_radius).nonzero(as_tuple=True)
    # Four pixels side by side are one row here, of logits and of results; each window has four of them.
    line = FACTOR * (b * h + y).unsqueeze(1) + torch.arange(FACTOR, device=b.device)
    rows = (line * w + x.unsqueeze(1)).flatten()
    pixels = logits.permute(0, 2, 3, 1).reshape(-1, FACTOR * 9).index_select(0, rows).view(-1, FACTOR * FACTOR, 9)
    pixels = pixels.float()
    # Softmax but for its sum; torch's, over nine in a row, takes eight times as long.
    weights = (pixels - pixels.amax(dim=-1, keepdim=True)).exp_()
    means = surface_mean(weights, neighbours[b, :, y, x], surface_radius)
    upsampled.view(-1, FACTOR).index_copy_(0, rows, means.view(-1, FACTOR))
    return upsampled

"""Convex upsampling over one surface, on a CPU: only beside steps is there more than one."""

from __future__ import annotations

from torch import Tensor

from ffstereo_ros.network.upsampling import FACTOR, surface_mean, weighted_mean, windows


def upsample_beside_steps(disparity: Tensor, logits: Tensor, surface_radius: float) -> Tensor:
    """`convex_upsample` with a ``surface_radius``: [B, 1, h, w] quarter px -> [B, 1, 4h, 4w] px.

    Few quarter-resolution pixels have neighbours farther apart than that; for the others the mean over all is the same.
    """
    B, _, h, w = disparity.shape
    neighbours = windows(disparity, "replicate")
    upsampled = weighted_mean(neighbours, logits)
    b, y, x = ((neighbours.amax(dim=1) - neighbours.amin(dim=1)) > surface_radius).nonzero(as_tuple=True)
    pixels = logits.view(B, 9, h, FACTOR, w, FACTOR).permute(0, 2, 4, 3, 5, 1)[b, y, x]  # [n, 4, 4, 9]
    means = surface_mean(pixels.flatten(1, 2).float().softmax(dim=-1), neighbours[b, :, y, x], surface_radius)
    blocks = upsampled.view(B, h, FACTOR, w, FACTOR).transpose(2, 3)
    blocks[b, y, x] = means.view(-1, FACTOR, FACTOR)
    return upsampled

"""What the kernel computes, in PyTorch: the definition that it is tested against, and what CPU tensors get."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def correlation_volume(
    left: Tensor,
    right: Tensor,
    groups: int,
    disparities: int,
    normalize: bool,
    left_term: Tensor | None = None,
    right_term: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """See `ffstereo_ros.kernels.correlation_volume.correlation_volume`."""
    correlation = groupwise_correlation(left, right, groups, disparities, normalize)
    if left_term is None or right_term is None:
        return correlation
    left_volume = left_term.unsqueeze(2).expand(-1, -1, disparities, -1, -1)
    right_volume = shifted(right_term, disparities)
    if weight is None:
        return torch.cat((correlation, left_volume, right_volume), dim=1)
    return torch.einsum("og,bgdyx->bodyx", weight, correlation) + left_volume + right_volume


def groupwise_correlation(left: Tensor, right: Tensor, groups: int, disparities: int, normalize: bool) -> Tensor:
    """Features [B, C, H, W] -> [B, G, D, H, W]: sum over the C / G channels of left at x times right at x - d.

    With ``normalize`` both are first divided by their norm within the group, in float32 (eps 1e-12).

    One matrix product per image row correlates all pairs (x, x'); the wanted band x' = x - d is then a skewed view of
    it: with x' reversed and zeros behind, entry (x, d) lies at flat offset x * (row - 1) + (W - 1) + d.
    """
    B, _, H, W = left.shape
    row = W + disparities
    left, right = (_split_groups(feature, groups, normalize) for feature in (left, right))  # [B, G, H, W, C / G]
    right = F.pad(right.flip(3), (0, 0, 0, disparities))  # [B, G, H, row, C / G]
    pairs = left @ right.transpose(-1, -2)  # [B, G, H, W, row]
    band = pairs.flatten(3)[..., W - 1 : W - 1 + W * (row - 1)].view(B, groups, H, W, row - 1)
    return band[..., :disparities].permute(0, 1, 4, 2, 3).contiguous()


def shifted(right: Tensor, disparities: int) -> Tensor:
    """Right map [B, C, H, W] -> [B, C, D, H, W], entry (d, x) taken at x - d, zero where x < d."""
    windows = F.pad(right, (disparities - 1, 0)).unfold(3, right.shape[3], 1)  # [B, C, H, D, W], largest shift first
    return windows.flip(3).transpose(2, 3)


def _split_groups(feature: Tensor, groups: int, normalize: bool) -> Tensor:
    """[B, C, H, W] -> [B, G, H, W, C / G]; norms are taken in float32, or in float64 of float64."""
    B, C, H, W = feature.shape
    grouped = feature.reshape(B, groups, C // groups, H, W).permute(0, 1, 3, 4, 2)
    if not normalize:
        return grouped
    precise = grouped.double() if feature.dtype == torch.float64 else grouped.float()
    return F.normalize(precise, dim=-1).to(feature.dtype)

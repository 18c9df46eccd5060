"""Matching volumes at quarter resolution: group-wise correlation, concatenation, and all-pairs correlation.

Disparity d pairs the left pixel x with the right pixel x - d; entries with x < d have no partner and are zero.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def groupwise_correlation(left: Tensor, right: Tensor, groups: int, disparities: int, normalize: bool) -> Tensor:
    """Group-wise correlation: [B, C, H, W], W >= 2 -> [B, G, D, H, W], the sum over the C / G channels of each group.

    With ``normalize`` the features are first divided by their L2 norm within the group (cosine similarity; eps 1e-12).
    One matrix product per image row correlates all pairs (x, x'); the wanted band x' = x - d is then a skewed view of
    it: with x' reversed and zeros behind, entry (x, d) lies at flat offset x * (row - 1) + (W - 1) + d.
    """
    B, _, H, W = left.shape
    left, right = (split_groups(feature, groups, normalize) for feature in (left, right))  # [B, G, H, W, C / G]
    right = F.pad(right.flip(3), (0, 0, 0, disparities - 1))  # [B, G, H, W + D - 1, C / G]
    pairs = left @ right.transpose(-1, -2)  # [B, G, H, W, row]
    row = W + disparities - 1
    band = pairs.flatten(3)[..., W - 1 : W - 1 + W * (row - 1)].view(B, groups, H, W, row - 1)
    return band[..., :disparities].permute(0, 1, 4, 2, 3).contiguous()


def split_groups(feature: Tensor, groups: int, normalize: bool) -> Tensor:
    """[B, C, H, W] -> [B, G, H, W, C / G]; norms are taken in float32."""
    B, C, H, W = feature.shape
    grouped = feature.reshape(B, groups, C // groups, H, W).permute(0, 1, 3, 4, 2)
    return F.normalize(grouped.float(), dim=-1).to(feature.dtype) if normalize else grouped


def shifted(right: Tensor, disparities: int) -> Tensor:
    """Right map [B, C, H, W] -> [B, C, D, H, W], entry (d, x) taken at x - d, zero where x < d."""
    windows = F.pad(right, (disparities - 1, 0)).unfold(3, right.shape[3], 1)  # [B, C, H, D, W], largest shift first
    return windows.flip(3).transpose(2, 3)


def combined_volume(correlation: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Correlation [B, G, D, H, W], projected features [B, P, H, W] -> [B, G + 2 P, D, H, W].

    The left features repeat over all disparities, also where the right ones have left the image.
    """
    disparities = correlation.shape[2]
    repeated = left.unsqueeze(2).expand(-1, -1, disparities, -1, -1)
    return torch.cat((correlation, repeated, shifted(right, disparities)), dim=1)


def all_pairs_correlation(left: Tensor, right: Tensor) -> Tensor:
    """Cosine similarity of every left pixel with every pixel of its right row, in float32.

    Features [B, C, H, W] -> [B, H, W, W'], W' running over the right row.
    """
    left, right = (F.normalize(feature.float(), dim=1) for feature in (left, right))
    return left.permute(0, 2, 3, 1) @ right.permute(0, 2, 1, 3)

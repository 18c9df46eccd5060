"""Group-wise correlation for narrow groups: the band of disparities alone, with its groups innermost in memory.

`groupwise_correlation` multiplies whole rows: all pairs of columns, of which it keeps those at most D apart, group by
group, and a convolution then turns the result. Here each product is of a block of columns with the columns within reach
of it, for all groups in one: the left side is block diagonal, column (x, g) holding the features of group g and zeros.
The zeros cost arithmetic, which a CPU has plenty of while groups are narrow: 8 groups of 6 channels, 48 disparities at
192x280 take 18 ms instead of 47 (two Zen 5 cores, bfloat16), groups of 28 channels gain nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.network.cost_volume import split_groups

_BLOCK = 8  # columns; widths at 1/4 are multiples of 8
_WIDEST = 8  # channels of a group
_ELEMENT = torch.complex128  # copied as one: 16 bytes


def pays_banded(feature: Tensor, groups: int) -> bool:
    """Whether `banded_correlation` is the faster form for features [B, C, H, W]."""
    return feature.dtype is torch.bfloat16 and feature.shape[1] // groups <= _WIDEST


def banded_correlation(left: Tensor, right: Tensor, groups: int, disparities: int, normalize: bool) -> Tensor:
    """`groupwise_correlation` to the last bit: [B, C, H, W] -> [B, G, D, H, W], channels last in memory."""
    B, C, H, W = left.shape
    spare = -W % _BLOCK
    blocks, reach = (W + spare) // _BLOCK, _BLOCK + disparities - 1
    rows = split_groups(left, groups, normalize).permute(0, 2, 3, 1, 4)  # [B, H, W, G, C / G]
    rows = F.pad(rows, (0, 0, 0, 0, 0, spare)).view(B, H, blocks, _BLOCK, groups, -1)
    diagonal = left.new_zeros(B, H, blocks, groups, C // groups, _BLOCK, groups)
    diagonal.diagonal(dim1=3, dim2=6).copy_(rows.permute(0, 1, 2, 5, 3, 4))
    columns = split_groups(right, groups, normalize).permute(0, 2, 3, 1, 4).reshape(B, H, W, C)
    windows = F.pad(columns, (0, 0, disparities - 1, spare)).unfold(2, reach, _BLOCK).transpose(3, 4)
    products = torch.bmm(windows.reshape(-1, reach, C), diagonal.view(-1, C, _BLOCK * groups))
    return _band(products.view(B, H, blocks, reach, _BLOCK, groups), disparities)[..., :W]


def _band(products: Tensor, disparities: int) -> Tensor:
    """Products [B, H, blocks, reach, block, G] -> [B, G, D, H, blocks * block].

    Column x of a block is matched with x - d by the entries (x + D - 1 - d, x): a diagonal for each d.
    """
    B, H, blocks, _, block, groups = products.shape
    band = products.new_empty(B, disparities, H, blocks, block, groups)
    source, target = products, band
    if groups * products.element_size() % _ELEMENT.itemsize == 0:
        source, target = products.view(_ELEMENT), band.view(_ELEMENT)
    for d in range(disparities):
        target[:, d].copy_(source.diagonal(d + 1 - disparities, dim1=3, dim2=4).transpose(3, 4))
    return band.flatten(3, 4).permute(0, 4, 1, 2, 3)

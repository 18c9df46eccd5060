"""The matching volume and the first convolution on it in one, by its linear parts.

The volume is [correlation | left repeated over d | right shifted by d]. What a convolution makes of the left part is
the same for all d but the first and last, and of the right part depends on x - d alone, away from the borders: 2-D
convolutions give both, and only the correlation needs a 3-D one. For 32 -> 28 channels, 3x3x3, at 48 x 120 x 160 that
is 5.6 GMAC instead of 22.3, and the 24 concatenated channels are never written.
"""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.blocks import LEAKY_SLOPE, BasicConv
from ffstereo_ros.network.config import VolumeConfig
from ffstereo_ros.network.cost_volume import groupwise_correlation
from ffstereo_ros.network.inference.banded_correlation import banded_correlation, pays_banded
from ffstereo_ros.network.inference.layout import channels_innermost

_DISPARITY_TAPS = (slice(1, 3), slice(0, 3), slice(0, 2))  # at the first d, between, at the last d
_COLUMN_TAPS = (slice(0, 3), slice(0, 2))  # in all columns but the last, in the last


def splits(first: nn.Module | None) -> TypeGuard[BasicConv | nn.Conv3d]:
    """Whether ``first`` is a convolution that `FirstConvolution` can take over: 1x1x1 or 3x3x3, dense, stride 1."""
    if isinstance(first, BasicConv):
        return isinstance(first.bn, nn.Identity) and splits(first.conv)
    if not isinstance(first, nn.Conv3d) or first.groups != 1 or first.stride != (1, 1, 1):
        return False
    size = first.kernel_size[0]
    same = first.kernel_size == (size,) * 3 and first.padding == (size // 2,) * 3 and first.dilation == (1, 1, 1)
    return same and size in (1, 3)


class FirstConvolution(nn.Module):
    """Features at 1/4 of both images -> [B, O, D, h, w], what ``first`` gives on their matching volume."""

    def __init__(self, first: BasicConv | nn.Conv3d, projection: nn.Module, config: VolumeConfig) -> None:
        super().__init__()
        conv = first.conv if isinstance(first, BasicConv) else first
        assert isinstance(conv, nn.Conv3d)
        self.activation = isinstance(first, BasicConv) and first.activation
        self.projection, self.groups, self.normalize = projection, config.groups, config.normalize
        self.reach = conv.kernel_size[0] // 2  # of the kernel to either side
        self.outputs, channels = conv.weight.shape[:2]
        projected = (channels - self.groups) // 2
        correlation, left, right = conv.weight.float().split((self.groups, projected, projected), dim=1)
        bias = torch.zeros(self.outputs) if conv.bias is None else conv.bias.float()
        self.kinds = _DISPARITY_TAPS if self.reach else (slice(0, 1),)  # of a disparity: the first, between, the last
        columns = _COLUMN_TAPS if self.reach else (slice(0, 1),)
        lefts = [left[:, :, kind].sum(dim=2) for kind in self.kinds]
        skewed = [_skew(right, kind, column) for column in columns for kind in self.kinds]
        dtype = conv.weight.dtype
        self.correlation_weight = channels_innermost(correlation.to(dtype))
        self.left_weight = channels_innermost(torch.cat(lefts).to(dtype))
        self.left_bias = bias.repeat(len(self.kinds)).to(dtype)
        self.right_weight = channels_innermost(torch.cat(skewed).to(dtype))

    def forward(self, left: Tensor, right: Tensor, disparities: int) -> Tensor:
        """Features at 1/4 [B, C, h, w] -> [B, O, D, h, w], channels last in memory."""
        correlate = banded_correlation if pays_banded(left, self.groups) else groupwise_correlation
        correlation = correlate(left, right, self.groups, disparities, self.normalize)
        volume = F.conv3d(channels_innermost(correlation), self.correlation_weight, padding=self.reach)
        self._add_terms(volume.permute(0, 2, 3, 4, 1), self._left_maps(left), self._right_maps(right, disparities))
        return volume

    def _add_terms(self, volume: Tensor, lefts: list[Tensor], rights: list[Tensor]) -> None:
        """Add to [B, D, h, w, O] what the features give: a disparity at a time, which stays in the cache."""
        D, w = volume.shape[1], volume.shape[3]
        for d in range(D):
            kind = 0 if d == 0 or not self.reach else (2 if d == D - 1 else 1)
            start = D - 1 - d
            terms = lefts[kind] + rights[kind][:, :, start : start + w]
            if self.reach:
                edge = rights[len(self.kinds) + kind][:, :, start + w - 1]
                torch.add(lefts[kind][:, :, -1], edge, out=terms[:, :, -1])
            sums = volume[:, d].add_(terms)
            if self.activation:
                F.leaky_relu_(sums, LEAKY_SLOPE)

    def _left_maps(self, left: Tensor) -> list[Tensor]:
        """[B, C, h, w] -> per kind of disparity [B, h, w, O]."""
        maps = F.conv2d(self.projection(left), self.left_weight, self.left_bias, padding=self.reach)
        return [part.permute(0, 2, 3, 1).contiguous() for part in maps.split(self.outputs, dim=1)]

    def _right_maps(self, right: Tensor, D: int) -> list[Tensor]:
        """[B, C, h, w] -> per kind of column and disparity [B, h, w + D - 1, O]; column u + D - 1 holds u = x - d."""
        r = self.reach
        padded = F.pad(self.projection(right), (4 * r, 2 * r, r, r))
        maps = F.pad(F.conv2d(padded, self.right_weight), (D - 1 - 2 * r, 0))
        return [part.permute(0, 2, 3, 1).contiguous() for part in maps.split(self.outputs, dim=1)]


def _skew(weight: Tensor, disparity_taps: slice, column_taps: slice) -> Tensor:
    """[O, P, k, k, k] -> [O, P, k, 2 k - 1]: the taps (kd, kx) that are there, summed by kx - kd."""
    size = weight.shape[2]
    skewed = weight.new_zeros((*weight.shape[:2], size, 2 * size - 1))
    for kd in range(size)[disparity_taps]:
        for kx in range(size)[column_taps]:
            skewed[..., kx - kd + size - 1] += weight[:, :, kd, :, kx]
    return skewed

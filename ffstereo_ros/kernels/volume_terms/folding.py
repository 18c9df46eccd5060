"""A 3x3x3 convolution on [correlation | left repeated over d | right shifted by d], split into its parts.

The left part is the same for all d but the first and last, so a 2-D convolution gives it. The right part depends on
u = x - d alone, away from the borders: R(u + kx - kd), a 2-D convolution with 3 x 5 taps. At the first and last d, and
in the last column, taps that would leave the volume are missing. Only the correlation needs a true 3-D convolution:
5.6 GMAC instead of 22.3 for 32 -> 28 channels at 48 x 120 x 160.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels.tensors import padded_channels

_DISPARITY_TAPS = ((1, 2), (0, 1, 2), (0, 1))  # at the first d, between, at the last d
_COLUMN_TAPS = ((0, 1, 2), (0, 1))  # in all columns but the last, in the last


@dataclass(frozen=True)
class FirstConvolution:
    """The parts; their O output channels are padded with zeros to whole 16-byte vectors, C of them.

    ``correlation_weight`` [C, G, 3, 3, 3], to be run with padding 1 and without bias; ``left_weight`` [3 C, P, 3, 3]
    and ``left_bias`` [3 C]; ``right_weight`` [6 C, P, 3, 5].
    """

    correlation_weight: Tensor
    left_weight: Tensor
    left_bias: Tensor
    right_weight: Tensor

    def left_map(self, projected: Tensor) -> Tensor:
        """Projected left features [B, P, H, W] -> [B, 3 C, H, W]."""
        return F.conv2d(projected, self.left_weight, self.left_bias, padding=1)

    def right_map(self, projected: Tensor) -> Tensor:
        """Projected right features [B, P, H, W] -> [B, 6 C, H, W + 2], column u + 2 for u = -2 .. W - 1."""
        return F.conv2d(F.pad(projected, (4, 2, 1, 1)), self.right_weight)


def fold_first_convolution(weight: Tensor, bias: Tensor | None, groups: int) -> FirstConvolution:
    """Split weight [O, G + 2 P, 3, 3, 3] and bias [O] (batch norm folded in) of a convolution with padding 1.

    Raises:
        ParameterError: the weight has another shape.
    """
    outputs, channels = weight.shape[:2]
    if tuple(weight.shape[2:]) != (3, 3, 3) or channels <= groups or (channels - groups) % 2:
        raise ParameterError(f"weight is {list(weight.shape)}: expected [O, {groups} + 2 P, 3, 3, 3]")
    padding = padded_channels(outputs, weight.dtype) - outputs
    weight = F.pad(weight, (0, 0) * 4 + (0, padding))
    bias = weight.new_zeros(len(weight)) if bias is None else F.pad(bias.to(weight.dtype), (0, padding))
    correlation, left, right = weight.split((groups, (channels - groups) // 2, (channels - groups) // 2), dim=1)
    left_weight = torch.cat([left[:, :, list(taps)].sum(dim=2) for taps in _DISPARITY_TAPS])
    skewed = [_skew(right, disparity, column) for column in _COLUMN_TAPS for disparity in _DISPARITY_TAPS]
    return FirstConvolution(correlation.contiguous(), left_weight, bias.repeat(3), torch.cat(skewed))


def _skew(weight: Tensor, disparity_taps: tuple[int, ...], column_taps: tuple[int, ...]) -> Tensor:
    """[O, P, 3, 3, 3] -> [O, P, 3, 5]: the taps (kd, kx) that are there, summed by kx - kd = -2 .. 2."""
    skewed = weight.new_zeros((*weight.shape[:2], 3, 5))
    for disparity in disparity_taps:
        for column in column_taps:
            skewed[..., column - disparity + 2] += weight[:, :, disparity, :, column]
    return skewed

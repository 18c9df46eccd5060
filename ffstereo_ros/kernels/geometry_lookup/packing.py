"""The lookup's first 1x1 convolution in the order in which the kernel reads it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels.tensors import padded_channels

CHANNEL_BLOCK = 16  # output channels that one warp computes together


@dataclass(frozen=True)
class LookupConvolution:
    """A 1x1 convolution with ReLU on the lookup's samples, packed once and used at every iteration.

    ``weight`` [O, S] and ``bias`` [O] as the network has them; ``packed_weight`` int32 [blocks, steps, 32, 4] and
    ``packed_bias`` float32 [blocks * 16] as the kernel reads them.
    """

    weight: Tensor
    bias: Tensor
    radius: int
    levels: int
    packed_weight: Tensor
    packed_bias: Tensor


def pack_convolution(weight: Tensor, bias: Tensor, radius: int = 4, levels: int = 2) -> LookupConvolution:
    """Prepare weight [O, S] or [O, S, 1, 1], S = levels * (C + 1) * (2 radius + 1), and bias [O].

    Raises:
        ParameterError: S does not fit radius and levels, or the bias the weight.
    """
    weight = weight.flatten(1)
    outputs, samples = weight.shape
    per_channel = levels * (2 * radius + 1)
    if samples % per_channel or samples < 2 * per_channel or tuple(bias.shape) != (outputs,):
        raise ParameterError(
            f"weight is {list(weight.shape)} and bias {list(bias.shape)}: expected [O, S] and [O] with S a multiple of "
            f"levels * (2 radius + 1) = {per_channel}, at least {2 * per_channel}"
        )
    blocks = -(-outputs // CHANNEL_BLOCK)
    packed_bias = F.pad(bias.float(), (0, blocks * CHANNEL_BLOCK - outputs))
    return LookupConvolution(weight, bias, radius, levels, _pack(weight, radius, levels), packed_bias)


def _pack(weight: Tensor, radius: int, levels: int) -> Tensor:
    """[O, S] in the network's order -> 32-bit words [blocks, steps, 32 lanes, 4], the fragments of mma.m16n8k16 (k8).

    Samples are reordered to [level, offset, channels and correlation, zeros]; lane 4 g + t holds, for steps j = 0, 1,
    the words t and t + 4 of channel 4 (g / 2) + 2 j + g % 2 of its block.
    """
    outputs = weight.shape[0]
    ordered = weight.unflatten(1, (levels, -1, 2 * radius + 1)).transpose(2, 3)  # [O, level, offset, C + 1]
    slot = padded_channels(ordered.shape[-1], weight.dtype)
    ordered = F.pad(ordered, (0, slot - ordered.shape[-1])).flatten(1)
    per_word = 4 // weight.dtype.itemsize
    ordered = F.pad(ordered, (0, -ordered.shape[1] % (8 * per_word), 0, -outputs % CHANNEL_BLOCK))
    fragments = ordered.reshape(-1, 4, 2, 2, ordered.shape[1] // (8 * per_word), 2, 4, per_word)
    fragments = fragments.permute(0, 4, 1, 3, 6, 2, 5, 7).contiguous()  # block, step, g / 2, g % 2, t, j, half, in word
    return fragments.view(torch.int32).reshape(fragments.shape[0], fragments.shape[1], 32, 4)

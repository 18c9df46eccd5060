"""A refinement iteration that shares its work: gates of one input are stacked, the context's part is computed once."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.inference.layout import channels_innermost
from ffstereo_ros.network.refinement import Context, ConvGRU, UpdateBlock


class UpdateStep(nn.Module):
    """`UpdateBlock` that expects the context, in the `Context` it is given, to have gone through `context_part`."""

    def __init__(self, block: UpdateBlock) -> None:
        super().__init__()
        entry, motion = block.gru04.conv0[0], block.encoder.conv
        assert plain(entry)
        assert plain(motion)
        self.block, self.entry, self.conv1 = block, entry, block.gru04.conv1[0]
        self.small, self.large = StackedGRU(block.gru04.small_gru), StackedGRU(block.gru04.large_gru)
        weight, context_channels = entry.weight.detach(), entry.in_channels - (motion.out_channels + 1)
        self.context_weight = channels_innermost(weight[:, :context_channels])
        self.motion_weight = channels_innermost(weight[:, context_channels:])

    def context_part(self, context: Tensor) -> Tensor:
        """Context [B, Cc, H, W] -> what it adds to the GRU's input [B, Cx, H, W], the same in every iteration."""
        return F.conv2d(context, self.context_weight, self.entry.bias, padding=self.entry.padding)

    def forward(self, context: Context, samples: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor]:
        """As `UpdateBlock`."""
        hidden = context.hidden
        motion = self.block.encoder(samples.to(hidden.dtype), disparity.to(hidden.dtype))
        x = F.conv2d(motion, self.motion_weight, padding=self.entry.padding).add_(context.context).relu_()
        gates = self.conv1(torch.cat((x, hidden), dim=1)).relu_()
        hidden = torch.lerp(self.large(hidden, x, gates), self.small(hidden, x, gates), context.attention)
        return hidden, self.block.disp_head(hidden)

    def mask_feature(self, hidden: Tensor) -> Tensor:
        """As `UpdateBlock`."""
        mask: Tensor = self.block.mask_feature(hidden)
        return mask


class StackedGRU(nn.Module):
    """`ConvGRU` with both gates from one convolution."""

    def __init__(self, gru: ConvGRU) -> None:
        super().__init__()
        gates = _gates(gru)
        assert gates is not None
        z, r = gates
        self.padding, self.convq = z.padding, gru.convq
        self.weight = channels_innermost(torch.cat((z.weight.detach(), r.weight.detach())))
        self.bias = torch.cat((_bias(z), _bias(r)))

    def forward(self, hidden: Tensor, x: Tensor, gates: Tensor) -> Tensor:
        """As `ConvGRU`."""
        z, r = F.conv2d(gates, self.weight, self.bias, padding=self.padding).sigmoid_().chunk(2, dim=1)
        q: Tensor = self.convq(torch.cat((r * hidden, x), dim=1)).tanh_()
        return torch.lerp(hidden, q, z)


def plain(convolution: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is a dense 2-D convolution of stride and dilation 1 with zeros beyond the border."""
    return (
        isinstance(convolution, nn.Conv2d)
        and convolution.groups == 1
        and convolution.stride == convolution.dilation == (1, 1)
        and isinstance(convolution.padding, tuple)
    )


def rearranges(block: UpdateBlock) -> bool:
    """Whether `UpdateStep` can take ``block`` over: plain convolutions, both gates of a GRU of one shape."""
    gru = block.gru04
    gates = [_gates(each) for each in (gru.small_gru, gru.large_gru)]
    return plain(gru.conv0[0]) and plain(block.encoder.conv) and all(each is not None for each in gates)


def _gates(gru: ConvGRU) -> tuple[nn.Conv2d, nn.Conv2d] | None:
    z, r = gru.convz, gru.convr
    if plain(z) and plain(r) and z.weight.shape == r.weight.shape and z.padding == r.padding:
        return z, r
    return None


def _bias(convolution: nn.Conv2d) -> Tensor:
    bias = convolution.bias
    return convolution.weight.new_zeros(convolution.out_channels) if bias is None else bias.detach()

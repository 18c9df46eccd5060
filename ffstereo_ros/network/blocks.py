"""The building blocks that fill the slots of the network, and `build_block`, which makes one from its specification.

Attribute names are the state-dict names of the published checkpoints. BatchNorm eps 1e-5, LeakyReLU slope 0.01, GELU in
its exact (erf) form throughout. An activation works in place only inside a block, right behind a convolution or norm:
those keep no reference to their output, and nobody else has seen it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.disparity_attention import DisparityAttention
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    BlockSpec,
    ConvNeXtSpec,
    ConvSpec,
    Dims,
    DisparityAttentionSpec,
    FeatureAttentionSpec,
    NormName,
    NormSpec,
    ReducedConvSpec,
    ResidualSpec,
    SequenceSpec,
    SkipJoinSpec,
    UpsampleSpec,
)

LEAKY_SLOPE = 0.01


class UnusedTensors(nn.Module):
    """Holds tensors of a checkpoint that nothing computes with; stands for "no block here" where it fills a slot."""


class BasicConv(nn.Module):
    """Convolution without bias, optional norm, optional LeakyReLU(0.01): [B, C, ...] -> [B, C', ...]."""

    def __init__(self, spec: BasicConvSpec) -> None:
        super().__init__()
        self.conv = build_conv(spec.conv)
        self.bn = build_norm(spec.norm, spec.conv.dims, spec.conv.out_channels)
        self.activation = spec.activation

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return F.leaky_relu(x, LEAKY_SLOPE, inplace=True) if self.activation else x


class DisparityConv(nn.Conv3d):
    """A convolution along disparity alone, kernel (k, 1, 1), stride 1: [B, C, D, H, W] -> [B, C', D, H, W].

    In training it runs as a 2-D one over (D, H W). In bfloat16 on CPUs (torch 2.13), the gradient of conv3d's weight is
    memory never written where the kernel is longer than the volume is deep: up to 1e38 at k = 9 and D = 8. Such a
    gradient also takes all others with it when their norm is clipped.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        flat: Tensor = F.conv2d(x.flatten(3), self.weight.squeeze(4), self.bias, padding=(int(self.padding[0]), 0))
        return flat.reshape(*flat.shape[:3], *x.shape[3:])


class ReducedConv(nn.Module):
    """A 3-D convolution in two: over the image (1, k, k), then along disparity (kd, 1, 1), each with BN and ReLU."""

    def __init__(self, spec: ReducedConvSpec) -> None:
        super().__init__()
        self.conv1 = self._stage(spec.conv1)
        self.conv2 = self._stage(spec.conv2)

    @staticmethod
    def _stage(conv: ConvSpec) -> nn.Sequential:
        return nn.Sequential(build_conv(conv), build_norm("batch", conv.dims, conv.out_channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        return y


class ResidualBlock(nn.Module):
    """Two convolutions with norms and the input added before the last ReLU (2-D or 3-D)."""

    def __init__(self, spec: ResidualSpec) -> None:
        super().__init__()
        self.conv1 = build_conv(spec.conv1)
        self.bn1 = build_norm(spec.norm, spec.conv1.dims, spec.conv1.out_channels)
        self.conv2 = build_conv(spec.conv2)
        self.bn2 = build_norm(spec.norm, spec.conv2.dims, spec.conv2.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)).add_(x), inplace=True)


class FeatureAttention(nn.Module):
    """Gates a volume by the left feature: volume * sigmoid(conv(conv(feature))), the same gate at every disparity."""

    def __init__(self, spec: FeatureAttentionSpec) -> None:
        super().__init__()
        self.feat_att = nn.Sequential(BasicConv(spec.reduce), build_conv(spec.expand))
        self.in_place = False  # set for inference where nobody else reads the volume

    def gate(self, feature: Tensor) -> Tensor:
        """Left feature [B, F, H, W] -> gate [B, C, 1, H, W] in 0..1."""
        return torch.sigmoid(self.feat_att(feature)).unsqueeze(2)

    def forward(self, volume: Tensor, feature: Tensor) -> Tensor:
        """Volume [B, C, D, H, W], left feature [B, F, H, W] -> [B, C, D, H, W]."""
        gate = self.gate(feature)
        return volume.mul_(gate) if self.in_place else volume * gate


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, per-pixel MLP, layer scale, plus input: [B, C, H, W] -> [B, C, H, W]."""

    def __init__(self, spec: ConvNeXtSpec) -> None:
        super().__init__()
        channels = spec.dwconv.in_channels
        self.dwconv = build_conv(spec.dwconv)
        self.pwconv1 = nn.Linear(channels, spec.hidden)
        self.pwconv2 = nn.Linear(spec.hidden, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dwconv(x).permute(0, 2, 3, 1)  # [B, H, W, C]
        y = scaled(self.pwconv2(F.gelu(self.pwconv1(y))), self.gamma)
        return x + y.permute(0, 3, 1, 2)


def scaled(x: Tensor, gamma: Tensor | None) -> Tensor:
    """Layer scale: [..., C] times gamma [C]; None where it is folded into the layer before."""
    return x if gamma is None else gamma * x


class BlockSequence(nn.Sequential):
    """`nn.Sequential` that hands the left feature to the gates among its members."""

    def forward(self, x: Tensor, feature: Tensor | None = None) -> Tensor:
        for block in self:
            x = run_block(block, x, feature)
        return x


class HelperSequence(nn.Module):
    """The searched networks' slot: blocks under the name ``layers``, gates receiving the left feature."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(blocks)

    def forward(self, x: Tensor, feature: Tensor | None = None) -> Tensor:
        for block in self.layers:
            x = run_block(block, x, feature)
        return x


class SkipJoin(nn.Module):
    """Upsamples the lower map, joins it with the skip map, convolves: the decoder's and the upsampler's step."""

    def __init__(self, spec: SkipJoinSpec) -> None:
        super().__init__()
        self.conv1 = BasicConv(spec.conv1)
        self.conv2 = build_block(spec.conv2)
        self.concat = spec.concat

    def forward(self, lower: Tensor, skip: Tensor) -> Tensor:
        """Lower map [B, C, H/2, W/2], skip map [B, S, H, W] -> [B, C', H, W]."""
        up = self.conv1(lower)
        if up.shape[-2:] != skip.shape[-2:]:
            up = F.interpolate(up, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        joined: Tensor = self.conv2(torch.cat((up, skip), dim=1) if self.concat else up + skip)
        return joined


def run_block(block: nn.Module | None, x: Tensor, feature: Tensor | None = None) -> Tensor:
    """Apply a slot: an empty one passes ``x`` on, gates and sequences also see the left feature [B, F, H, W]."""
    if block is None or isinstance(block, UnusedTensors):
        return x
    gated = isinstance(block, (FeatureAttention, BlockSequence, HelperSequence))
    y: Tensor = block(x, feature) if gated else block(x)
    return y


def build_conv(spec: ConvSpec) -> nn.Module:
    """The plain (transposed) 2-D or 3-D convolution of a specification."""
    options: dict[str, Any] = {
        "stride": spec.stride,
        "padding": spec.padding,
        "dilation": spec.dilation or (1,) * spec.dims,
        "groups": spec.groups,
        "bias": spec.bias,
    }
    if spec.transposed:
        options["output_padding"] = spec.output_padding or (0,) * spec.dims
        transposed: Callable[..., nn.Module] = nn.ConvTranspose2d if spec.dims == 2 else nn.ConvTranspose3d
        return transposed(spec.in_channels, spec.out_channels, spec.kernel, **options)
    plain: Callable[..., nn.Module] = nn.Conv2d if spec.dims == 2 else nn.Conv3d
    if _along_disparity(spec):
        plain = DisparityConv
    return plain(spec.in_channels, spec.out_channels, spec.kernel, **options)


def _along_disparity(spec: ConvSpec) -> bool:
    moves = (*spec.stride, *(spec.dilation or ()), spec.groups)
    return spec.dims == 3 and spec.kernel[1:] == (1, 1) and set(moves) == {1} and not any(spec.padding[1:])


def build_norm(norm: NormName | None, dims: Dims, channels: int) -> nn.Module:
    """Batch norm (affine, running statistics), instance norm (neither), or identity."""
    if norm is None:
        return nn.Identity()
    if norm == "batch":
        return nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm3d(channels)
    return nn.InstanceNorm2d(channels) if dims == 2 else nn.InstanceNorm3d(channels)


def _build_activation(spec: ActivationSpec) -> nn.Module:
    activations: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE),
        "gelu": nn.GELU,
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "identity": nn.Identity,
    }
    return activations[spec.name]()


def _build_sequence(spec: SequenceSpec) -> nn.Module:
    blocks = [build_block(block) for block in spec.blocks]
    return HelperSequence(blocks) if spec.helper else BlockSequence(*blocks)


def _build_upsample(spec: UpsampleSpec) -> nn.Module:
    return nn.Upsample(scale_factor=spec.scale, mode=spec.mode, align_corners=spec.align_corners)


_BUILDERS: dict[type, Callable[[Any], nn.Module]] = {
    ConvSpec: build_conv,
    BasicConvSpec: BasicConv,
    ReducedConvSpec: ReducedConv,
    ResidualSpec: ResidualBlock,
    FeatureAttentionSpec: FeatureAttention,
    ConvNeXtSpec: ConvNeXtBlock,
    DisparityAttentionSpec: DisparityAttention,
    NormSpec: lambda spec: build_norm(spec.norm, spec.dims, spec.channels),
    ActivationSpec: _build_activation,
    UpsampleSpec: _build_upsample,
    SequenceSpec: _build_sequence,
}


def build_block(spec: BlockSpec) -> nn.Module:
    """The module of a specification; its state-dict names are those of the authors' class."""
    return _BUILDERS[type(spec)](spec)


def build_slot(spec: BlockSpec | None) -> nn.Module | None:
    """The module of a slot that may be empty."""
    return None if spec is None else build_block(spec)

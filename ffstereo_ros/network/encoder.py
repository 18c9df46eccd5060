"""Feature network: an EdgeNeXt encoder (arXiv 2206.10589) and a decoder back to quarter resolution."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.blocks import SkipJoin, build_conv, scaled
from ffstereo_ros.network.config import EncoderStageConfig, FeatureConfig
from ffstereo_ros.network.specs import ConvBlockSpec, ConvSpec, EncoderBlockSpec, SplitTransposeSpec

LAYER_NORM_EPS = 1e-6


class FeatureMaps(NamedTuple):
    """Feature maps at 1/4, 1/8, 1/16 and 1/32 of the image, each [B, C, H, W]."""

    x4: Tensor
    x8: Tensor
    x16: Tensor
    x32: Tensor


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Linear, GELU, linear on the last axis."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class ConvBlock(nn.Module):
    """Depthwise convolution, LayerNorm, MLP, layer scale, plus input: [B, C, H, W] -> same."""

    def __init__(self, spec: ConvBlockSpec) -> None:
        super().__init__()
        c = spec.channels
        self.conv_dw = nn.Conv2d(c, c, spec.kernel, padding=spec.kernel // 2, groups=c)
        self.norm = nn.LayerNorm(c, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(c, spec.hidden)
        self.gamma = nn.Parameter(torch.full((c,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_dw(x).permute(0, 2, 3, 1)  # [B, H, W, C]
        y = scaled(self.mlp(self.norm(y)), self.gamma)
        return x + y.permute(0, 3, 1, 2)


class FourierPosition(nn.Module):
    """Position of each pixel as sines and cosines of its normalised row and column, projected to the feature width."""

    scale = 2 * math.pi
    temperature = 10000.0

    def __init__(self, hidden: int, channels: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.token_projection = nn.Conv2d(2 * hidden, channels, 1)

    def forward(self, height: int, width: int) -> Tensor:
        """Position map [1, C, height, width]."""
        weight = self.token_projection.weight
        rows = self._encode(height, weight.device)[:, :, None].expand(-1, -1, width)
        columns = self._encode(width, weight.device)[:, None, :].expand(-1, height, -1)
        position: Tensor = self.token_projection(torch.cat((rows, columns))[None].to(weight.dtype))
        return position

    def _encode(self, length: int, device: torch.device) -> Tensor:
        """[hidden, length]: sin at even, cos at odd channels, of positions 1..length scaled to 2 pi."""
        position = torch.arange(1, length + 1, device=device, dtype=torch.float32) / (length + 1e-6) * self.scale
        pair = torch.arange(self.hidden, device=device).div(2, rounding_mode="floor")
        angle = position[None] / (self.temperature ** (2 * pair / self.hidden))[:, None]
        return torch.stack((angle[0::2].sin(), angle[1::2].cos()), dim=1).flatten(0, 1)


class CrossCovarianceAttention(nn.Module):
    """Attention between channels (XCA, arXiv 2106.09681): tokens [B, N, C] -> [B, N, C]."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 4, 1).unbind(0)  # each [B, heads, C / heads, N]
        scores = F.normalize(q.float(), dim=-1) @ F.normalize(k.float(), dim=-1).transpose(-2, -1)
        attention = (scores * self.temperature).softmax(dim=-1).to(v.dtype)
        y: Tensor = self.proj((attention @ v).permute(0, 3, 1, 2).reshape(B, N, C))
        return y


class SplitTransposeBlock(nn.Module):
    """Split depth-wise transpose attention (SDTA): cascaded depthwise convolutions on channel chunks, XCA, MLP.

    The last addition is the block input, not the attention's output: that one feeds the MLP alone.
    """

    def __init__(self, spec: SplitTransposeSpec) -> None:
        super().__init__()
        c, width = spec.channels, spec.width
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(spec.convs))
        self.pos_embd = FourierPosition(spec.position_channels, c) if spec.position_channels else None
        self.norm_xca = nn.LayerNorm(c, eps=LAYER_NORM_EPS)
        self.gamma_xca = nn.Parameter(torch.full((c,), 1e-6))
        self.xca = CrossCovarianceAttention(c, spec.heads)
        self.norm = nn.LayerNorm(c, eps=LAYER_NORM_EPS)
        self.mlp = Mlp(c, spec.hidden)
        self.gamma = nn.Parameter(torch.full((c,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        split = self._cascade(x)
        if self.pos_embd is not None:
            split = split + self.pos_embd(H, W)
        tokens = split.flatten(2).transpose(1, 2)  # [B, N, C]
        tokens = tokens + scaled(self.xca(self.norm_xca(tokens)), self.gamma_xca)
        tokens = self.norm(tokens.reshape(B, H, W, C))
        y = scaled(self.mlp(tokens), self.gamma)
        return x + y.permute(0, 3, 1, 2)

    def _cascade(self, x: Tensor) -> Tensor:
        chunks = x.chunk(len(self.convs) + 1, dim=1)
        state, done = chunks[0], []
        for index, conv in enumerate(self.convs):
            state = conv(state if index == 0 else state + chunks[index])
            done.append(state)
        return torch.cat((*done, chunks[-1]), dim=1)


class EncoderStage(nn.Module):
    """Optional LayerNorm and stride-2 convolution, then the blocks."""

    def __init__(self, config: EncoderStageConfig) -> None:
        super().__init__()
        self.downsample: nn.Module = nn.Identity()
        if config.downsample is not None:
            norm = LayerNorm2d(config.downsample.in_channels)
            self.downsample = nn.Sequential(norm, build_conv(config.downsample))
        self.blocks = nn.Sequential(*(_build_encoder_block(spec) for spec in config.blocks))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.blocks(self.downsample(x))
        return y


class FeatureNetwork(nn.Module):
    """Normalised image [B, 3, H, W] -> `FeatureMaps`; H and W are multiples of 32."""

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.stem = nn.Sequential(build_conv(config.stem), LayerNorm2d(config.stem.out_channels))
        self.stages = nn.Sequential(*(EncoderStage(stage) for stage in config.stages))
        self.deconv32_16 = SkipJoin(config.deconv32_16)
        self.deconv16_8 = SkipJoin(config.deconv16_8)
        self.deconv8_4 = SkipJoin(config.deconv8_4)
        self.conv4, self.conv8 = _optional_conv(config.conv4), _optional_conv(config.conv8)
        self.conv16, self.conv32 = _optional_conv(config.conv16), _optional_conv(config.conv32)

    def forward(self, image: Tensor) -> FeatureMaps:
        x: Tensor = self.stem(image)
        scales = []
        for stage in self.stages:
            x = stage(x)
            scales.append(x)
        s4, s8, s16, x32 = scales
        x16 = self.deconv32_16(x32, s16)
        x8 = self.deconv16_8(x16, s8)
        x4 = self.deconv8_4(x8, s4)
        return FeatureMaps(self.conv4(x4), self.conv8(x8), self.conv16(x16), self.conv32(x32))


def _build_encoder_block(spec: EncoderBlockSpec) -> nn.Module:
    return ConvBlock(spec) if isinstance(spec, ConvBlockSpec) else SplitTransposeBlock(spec)


def _optional_conv(spec: ConvSpec | None) -> nn.Module:
    return nn.Identity() if spec is None else build_conv(spec)

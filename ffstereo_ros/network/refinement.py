"""Iterative refinement: context from the left features, motion encoder, selective ConvGRU, disparity and mask heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.blocks import build_block, build_conv
from ffstereo_ros.network.config import (
    ContextConfig,
    ConvGRUConfig,
    MotionEncoderConfig,
    SelectiveGRUConfig,
    UpdateConfig,
)


class Context(NamedTuple):
    """What the refinement starts from: hidden state [B, Ch, H, W], context [B, Cc, H, W], attention [B, 1, H, W]."""

    hidden: Tensor
    context: Tensor
    attention: Tensor


class ContextNetwork(nn.Module):
    """Two heads on the left features: tanh gives the first hidden state, ReLU the context."""

    def __init__(self, config: ContextConfig) -> None:
        super().__init__()
        self.conv04 = nn.ModuleList((build_block(config.hidden_head), build_block(config.context_head)))

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Left feature [B, C, H, W] -> hidden state [B, Ch, H, W], context [B, Cc, H, W]."""
        return torch.tanh(self.conv04[0](feature)), F.relu(self.conv04[1](feature))


class ChannelAttention(nn.Module):
    """One weight per channel from its mean and its maximum: [B, C, H, W] -> [B, C, 1, 1] in 0..1."""

    def __init__(self, config: ContextConfig) -> None:
        super().__init__()
        self.fc = nn.Sequential(build_conv(config.cam_reduce), nn.ReLU(), build_conv(config.cam_expand))

    def forward(self, x: Tensor) -> Tensor:
        mean, peak = x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
        return torch.sigmoid(self.fc(mean) + self.fc(peak))


class SpatialAttention(nn.Module):
    """One weight per pixel from the channel mean and maximum: [B, C, H, W] -> [B, 1, H, W] in 0..1."""

    def __init__(self, config: ContextConfig) -> None:
        super().__init__()
        self.samconv = build_conv(config.samconv)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat((x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)), dim=1)
        return torch.sigmoid(self.samconv(pooled))


class MotionEncoder(nn.Module):
    """Lookup samples [B, S, H, W] and disparity [B, 1, H, W] -> motion features [B, M + 1, H, W], disparity last."""

    def __init__(self, config: MotionEncoderConfig) -> None:
        super().__init__()
        self.convc1, self.convc2 = build_conv(config.convc1), build_conv(config.convc2)
        self.convd1, self.convd2 = build_conv(config.convd1), build_conv(config.convd2)
        self.conv = build_conv(config.conv)

    def forward(self, samples: Tensor, disparity: Tensor) -> Tensor:
        geometry = F.relu(self.convc2(F.relu(self.convc1(samples))))
        motion = F.relu(self.convd2(F.relu(self.convd1(disparity))))
        joined = F.relu(self.conv(torch.cat((geometry, motion), dim=1)))
        return torch.cat((joined, disparity), dim=1)


class ConvGRU(nn.Module):
    """One convolutional GRU step of one kernel size."""

    def __init__(self, config: ConvGRUConfig) -> None:
        super().__init__()
        self.convz, self.convr = build_conv(config.convz), build_conv(config.convr)
        self.convq = build_conv(config.convq)

    def forward(self, hidden: Tensor, x: Tensor, gates: Tensor) -> Tensor:
        """Hidden state [B, Ch, H, W], input x [B, Cx, H, W], shared gate map of both [B, Cg, H, W]."""
        z = torch.sigmoid(self.convz(gates))
        r = torch.sigmoid(self.convr(gates))
        q = torch.tanh(self.convq(torch.cat((r * hidden, x), dim=1)))
        return (1 - z) * hidden + z * q


class SelectiveConvGRU(nn.Module):
    """Two ConvGRUs of small and large kernels, blended per pixel by the spatial attention (Selective-Stereo)."""

    def __init__(self, config: SelectiveGRUConfig) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(build_conv(config.conv0), nn.ReLU())
        self.conv1 = nn.Sequential(build_conv(config.conv1), nn.ReLU())
        self.small_gru = ConvGRU(config.small_gru)
        self.large_gru = ConvGRU(config.large_gru)

    def forward(self, attention: Tensor, hidden: Tensor, x: Tensor) -> Tensor:
        """Attention [B, 1, H, W], hidden state [B, Ch, H, W], input [B, Ci, H, W] -> new hidden state."""
        x = self.conv0(x)
        gates = self.conv1(torch.cat((x, hidden), dim=1))
        small: Tensor = self.small_gru(hidden, x, gates)
        large: Tensor = self.large_gru(hidden, x, gates)
        return small * attention + large * (1 - attention)


class DisparityHead(nn.Module):
    """Hidden state [B, Ch, H, W] -> disparity change [B, 1, H, W] in quarter-resolution px."""

    def __init__(self, config: UpdateConfig) -> None:
        super().__init__()
        self.conv = build_block(config.disp_head)

    def forward(self, hidden: Tensor) -> Tensor:
        delta: Tensor = self.conv(hidden)
        return delta


class UpdateBlock(nn.Module):
    """One refinement step; `mask_feature` prepares the upsampling and is needed after the last step only."""

    mask_scale = 0.25  # scales the gradients of the mask head in the RAFT lineage; part of the trained weights' meaning

    def __init__(self, config: UpdateConfig) -> None:
        super().__init__()
        self.encoder = MotionEncoder(config.encoder)
        self.gru04 = SelectiveConvGRU(config.gru04)
        self.disp_head = DisparityHead(config)
        self.mask = build_block(config.mask)

    def forward(self, context: Context, samples: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor]:
        """Context with the current hidden state, lookup samples [B, S, H, W], disparity [B, 1, H, W] in quarter px.

        Returns the new hidden state [B, Ch, H, W] and the disparity change [B, 1, H, W] in quarter px.
        """
        dtype = context.hidden.dtype
        motion = self.encoder(samples.to(dtype), disparity.to(dtype))
        hidden = self.gru04(context.attention, context.hidden, torch.cat((context.context, motion), dim=1))
        return hidden, self.disp_head(hidden)

    def mask_feature(self, hidden: Tensor) -> Tensor:
        """Hidden state [B, Ch, H, W] -> features of the upsampling weights [B, Cm, H, W]."""
        mask: Tensor = self.mask(hidden)
        return self.mask_scale * mask

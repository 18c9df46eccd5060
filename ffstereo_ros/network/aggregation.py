"""Cost aggregation: the 3-D hourglass, gated by the left features, with its default or its searched branches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.blocks import BlockSequence, build_block, build_slot, run_block
from ffstereo_ros.network.config import HourglassConfig
from ffstereo_ros.network.encoder import FeatureMaps
from ffstereo_ros.network.specs import PostJoinSpec

_DOWN_SLOTS = ("conv1", "feature_att_8", "conv2", "feature_att_16", "conv3", "feature_att_32")
_UP_SLOTS = ("conv3_up", "agg_0", "feature_att_up_16", "conv2_up", "agg_1", "feature_att_up_8", "conv1_up")
_SIDE_SLOTS = ("conv_patch", "conv_out")
_POST_SLOTS = ("post32_to_16", "post16_to_8", "post8_to_4")


class PostJoin(nn.Module):
    """A searched branch: upsamples the lower volume, joins it with the skip volume, runs the ``out`` blocks."""

    def __init__(self, spec: PostJoinSpec) -> None:
        super().__init__()
        self.concat = spec.operation == "concat"
        self.upsample = BlockSequence(*(build_block(block) for block in spec.upsample))
        self.out = nn.ModuleList(build_block(block) for block in spec.out)
        self.in_place = False  # set for inference, where nobody else reads the upsampled volume

    def forward(self, skip: Tensor, lower: Tensor, feature: Tensor | None = None) -> Tensor:
        """Skip volume [B, S, D, H, W], lower volume [B, C, d, h, w], left feature [B, F, H, W] for gates."""
        x = self._join(self.upsample(lower), skip)
        for block in self.out:
            x = run_block(block, x, feature)
        return x

    def _join(self, up: Tensor, skip: Tensor) -> Tensor:
        if self.concat:
            return torch.cat((up, skip), dim=1)
        return up.add_(skip) if self.in_place else up + skip


class Hourglass(nn.Module):
    """Filters the volume over three scales: [B, C, D, H, W] -> [B, C', D, H, W]; D, H, W are multiples of 8.

    A post slot, where the config has one, replaces the default branch beside it.
    """

    conv1: nn.Module | None
    feature_att_8: nn.Module | None
    conv2: nn.Module | None
    feature_att_16: nn.Module | None
    conv3: nn.Module | None
    feature_att_32: nn.Module | None
    conv3_up: nn.Module | None
    agg_0: nn.Module | None
    feature_att_up_16: nn.Module | None
    conv2_up: nn.Module | None
    agg_1: nn.Module | None
    feature_att_up_8: nn.Module | None
    conv1_up: nn.Module | None
    conv_patch: nn.Module | None
    conv_out: nn.Module | None

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        for name in (*_DOWN_SLOTS, *_UP_SLOTS, *_SIDE_SLOTS):
            self.register_module(name, build_slot(getattr(config, name)))
        self.atts = nn.ModuleDict()
        if config.atts_4 is not None:
            self.atts["4"] = build_block(config.atts_4)
        for name in _POST_SLOTS:
            post = getattr(config, name)
            self.register_module(name, None if post is None else PostJoin(post))

    def forward(self, volume: Tensor, left: FeatureMaps) -> Tensor:
        conv1 = run_block(self.feature_att_8, run_block(self.conv1, volume), left.x8)
        conv2 = run_block(self.feature_att_16, run_block(self.conv2, conv1), left.x16)
        conv3 = run_block(self.feature_att_32, run_block(self.conv3, conv2), left.x32)
        conv2 = self._up_16(conv2, conv3, left)
        conv1 = self._up_8(conv1, conv2, left)
        return self._up_4(volume, run_block(self.conv1_up, conv1))

    def _up_16(self, skip: Tensor, lower: Tensor, left: FeatureMaps) -> Tensor:
        if isinstance(self.post32_to_16, PostJoin):
            return self.post32_to_16.forward(skip, lower, left.x16)
        x = run_block(self.agg_0, torch.cat((run_block(self.conv3_up, lower), skip), dim=1))
        return run_block(self.feature_att_up_16, x, left.x16)

    def _up_8(self, skip: Tensor, lower: Tensor, left: FeatureMaps) -> Tensor:
        if isinstance(self.post16_to_8, PostJoin):
            return self.post16_to_8.forward(skip, lower, left.x8)
        x = run_block(self.agg_1, torch.cat((run_block(self.conv2_up, lower), skip), dim=1))
        return run_block(self.feature_att_up_8, x, left.x8)

    def _up_4(self, volume: Tensor, up: Tensor) -> Tensor:
        """The side path works on patches of the hourglass input and is added to the upsampled volume."""
        if isinstance(self.post8_to_4, PostJoin):
            return self.post8_to_4.forward(volume, up)
        side = run_block(self.conv_patch, volume)
        side = run_block(self.atts["4"] if len(self.atts) else None, side)
        side = F.interpolate(side, scale_factor=4.0, mode="trilinear", align_corners=False)
        return run_block(self.conv_out, up + side)

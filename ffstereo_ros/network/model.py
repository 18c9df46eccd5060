"""Fast-FoundationStereo (arXiv 2512.11130): a rectified pair in, disparity out, every stage of it named here once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ffstereo_ros.errors import ImageError, ParameterError
from ffstereo_ros.network.aggregation import Hourglass
from ffstereo_ros.network.blocks import SkipJoin, UnusedTensors, build_block, build_conv, build_slot, run_block
from ffstereo_ros.network.config import NetworkConfig, UnusedTensor
from ffstereo_ros.network.cost_volume import all_pairs_correlation, combined_volume, groupwise_correlation
from ffstereo_ros.network.encoder import FeatureMaps, FeatureNetwork
from ffstereo_ros.network.geometry_lookup import GeometryPyramid
from ffstereo_ros.network.refinement import ChannelAttention, Context, ContextNetwork, SpatialAttention, UpdateBlock
from ffstereo_ros.network.starting_disparity import continue_left_band, local_soft_argmax, soft_argmax
from ffstereo_ros.network.upsampling import convex_upsample
from ffstereo_ros.network.validation import check_config

SIZE_MULTIPLE = 32
DISPARITY_MULTIPLE = 32  # quarter resolution, three halvings and the /4 patch: D must be a multiple of 8


@dataclass(frozen=True)
class StereoOutput:
    """What the network gives for a batch of pairs; h, w are a quarter of H, W.

    ``disparity`` [B, 1, H, W] px of the left image, may be slightly negative.
    ``initial_disparity`` [B, 1, h, w] in quarter-resolution px, before refinement.
    ``logits`` [B, D, h, w] the matching distribution over 0 .. D-1 quarter px, before softmax.
    ``iterations`` in training mode: the disparity [B, 1, H, W] after each refinement, the last included; else empty.
    """

    disparity: Tensor
    initial_disparity: Tensor
    logits: Tensor
    iterations: tuple[Tensor, ...] = ()


class FastFoundationStereo(nn.Module):
    """The network of a `NetworkConfig`; state-dict names and shapes are those of the published checkpoints.

    Raises `ParameterError` naming the slot for a config whose parts do not fit together.
    """

    mean: Tensor
    std: Tensor
    corr_stem: nn.Module | None
    corr_feature_att: nn.Module | None

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        check_config(config)
        self.config = config
        self.feature = FeatureNetwork(config.feature)
        self.stem_2 = build_block(config.stem_2)
        self.proj_cmb = build_conv(config.volume.proj_cmb)
        self.register_module("corr_stem", build_slot(config.corr_stem))
        self.register_module("corr_feature_att", build_slot(config.corr_feature_att))
        self.cost_agg = Hourglass(config.cost_agg)
        self.classifier = build_block(config.classifier)
        self.cnet = ContextNetwork(config.context)
        self.cam = ChannelAttention(config.context)
        self.sam = SpatialAttention(config.context)
        self.update_block = UpdateBlock(config.update_block)
        self.spx_2_gru = SkipJoin(config.upsampling.spx_2_gru)
        self.spx_gru = build_block(config.upsampling.spx_gru)
        radius = config.lookup.radius
        self.register_buffer("dx", torch.arange(-radius, radius + 1, dtype=torch.int8).view(1, 1, -1, 1))
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1), persistent=False)
        for tensor in config.unused:
            _attach_unused(self, tensor)

    def forward(
        self,
        left: Tensor,
        right: Tensor,
        iterations: int = 8,
        max_disparity: int = 192,
        initial_disparity: Tensor | None = None,
    ) -> StereoOutput:
        """Match a batch of rectified pairs.

        ``left``, ``right`` [B, 3, H, W] RGB in 0..255; H, W and ``max_disparity`` (px) are multiples of 32.
        ``initial_disparity`` [B, 1, H/4, W/4] in quarter px replaces the volume's own estimate as the start, except
        where it is NaN.
        Raises `ImageError` or `ParameterError` for anything else.
        """
        self._check(left, right, iterations, max_disparity, initial_disparity)
        left_maps, right_x4, stem = self.encode(left, right)
        volume, logits = self.match(left_maps, right_x4, max_disparity)
        initial = self.start(logits) if initial_disparity is None else self._filled(initial_disparity, logits)
        context = self.context(left_maps.x4)
        lookup = self.make_lookup(volume, left_maps.x4, right_x4)
        results = self.refine(context, lookup, initial, stem, iterations)
        return StereoOutput(results[-1], initial, logits, tuple(results) if self.training else ())

    def encode(self, left: Tensor, right: Tensor) -> tuple[FeatureMaps, Tensor, Tensor]:
        """Images [B, 3, H, W] in 0..255 -> left feature maps, right map at 1/4, half-resolution stem (left)."""
        precise = torch.promote_types(self.mean.dtype, torch.float32)  # bfloat16 cannot hold image / 255
        images = (torch.cat((left, right)).to(precise) / 255 - self.mean.to(precise)) / self.std.to(precise)
        images = images.to(self.mean.dtype)
        maps = self.feature(images)
        B = left.shape[0]
        left_maps = FeatureMaps(*(feature[:B] for feature in maps))
        return left_maps, maps.x4[B:], self.stem_2(images[:B])

    def match(self, left: FeatureMaps, right: Tensor, max_disparity: int) -> tuple[Tensor, Tensor]:
        """Left maps, right map at 1/4 -> filtered volume [B, C, D, h, w] and matching logits [B, D, h, w]."""
        return self.aggregate(self.build_volume(left.x4, right, max_disparity), left)

    def make_lookup(self, volume: Tensor, left: Tensor, right: Tensor) -> Callable[[Tensor], Tensor]:
        """Filtered volume, features at 1/4 -> what gives the update block its samples around a disparity."""
        return GeometryPyramid(volume, all_pairs_correlation(left, right), self.config.lookup)

    def build_volume(self, left: Tensor, right: Tensor, max_disparity: int) -> Tensor:
        """Features at 1/4 [B, C, h, w] -> combined volume [B, G + 2P, D, h, w], D = max_disparity / 4."""
        volume = self.config.volume
        correlation = groupwise_correlation(left, right, volume.groups, max_disparity // 4, volume.normalize)
        return combined_volume(correlation, self.proj_cmb(left), self.proj_cmb(right))

    def aggregate(self, volume: Tensor, left: FeatureMaps) -> tuple[Tensor, Tensor]:
        """Combined volume -> filtered volume [B, C, D, h, w] and matching logits [B, D, h, w]."""
        volume = run_block(self.corr_stem, volume)
        volume = run_block(self.corr_feature_att, volume, left.x4)
        volume = self.cost_agg(volume, left)
        logits = run_block(self.classifier, volume, left.x4).squeeze(1)
        return volume, logits

    def start(self, logits: Tensor) -> Tensor:
        """Matching logits [B, D, h, w] -> the disparity that refinement starts from [B, 1, h, w] in quarter px."""
        radius = self.config.start_radius
        return self._continued(soft_argmax(logits) if radius is None else local_soft_argmax(logits, radius))

    @torch.no_grad()
    def _filled(self, disparity: Tensor, logits: Tensor) -> Tensor:
        """A given start with the volume's estimate where it is NaN; nothing is learnt from what fills a gap."""
        return torch.where(disparity.isnan(), self.start(logits), disparity.float())

    def context(self, feature: Tensor) -> Context:
        """Left feature at 1/4 [B, C, h, w] -> first hidden state, channel-weighted context, spatial attention."""
        hidden, context = self.cnet(feature)
        context = self.cam(context) * context
        return Context(hidden, context, self.sam(context))

    def refine(
        self, context: Context, lookup: Callable[[Tensor], Tensor], disparity: Tensor, stem: Tensor, iterations: int
    ) -> list[Tensor]:
        """Refine a disparity [B, 1, h, w] in quarter px; returns full-resolution maps [B, 1, H, W] in px.

        The last map alone when evaluating, one per iteration when training (gradients do not flow through the disparity
        from one iteration to the next, as in RAFT-Stereo).
        """
        results = []
        for iteration in range(iterations):
            disparity = disparity.detach()
            hidden, delta = self.update_block(context, lookup(disparity), disparity)
            disparity = self._continued(disparity + delta.float())
            context = context._replace(hidden=hidden)
            if self.training or iteration == iterations - 1:
                results.append(self.upsample(disparity, hidden, stem))
        return results

    def upsample(self, disparity: Tensor, hidden: Tensor, stem: Tensor) -> Tensor:
        """Disparity [B, 1, h, w] in quarter px -> [B, 1, H, W] in px."""
        return convex_upsample(disparity, self.upsampling_logits(hidden, stem), self._surface_radius())

    def upsampling_logits(self, hidden: Tensor, stem: Tensor) -> Tensor:
        """Hidden state [B, Ch, h, w], stem [B, Cs, H/2, W/2] -> neighbour weights before softmax [B, 9, H, W]."""
        logits: Tensor = self.spx_gru(self.spx_2_gru(self.update_block.mask_feature(hidden), stem))
        return logits

    def _surface_radius(self) -> float | None:
        """None in training: through the choice of one surface no gradient would flow, and which one is to be learnt."""
        return None if self.training else self.config.surface_radius

    def _continued(self, disparity: Tensor) -> Tensor:
        return continue_left_band(disparity) if self.config.continue_left_band else disparity

    def _check(
        self, left: Tensor, right: Tensor, iterations: int, max_disparity: int, initial_disparity: Tensor | None
    ) -> None:
        check_images(left, right)
        check_settings(iterations, max_disparity, self.config.max_disparity)
        expected = (left.shape[0], 1, left.shape[2] // 4, left.shape[3] // 4)
        if initial_disparity is not None and tuple(initial_disparity.shape) != expected:
            raise ParameterError(
                f"initial_disparity has shape {tuple(initial_disparity.shape)}: "
                f"{expected} is expected, in quarter-resolution px"
            )


def check_images(left: Tensor, right: Tensor) -> None:
    """Raise `ImageError` unless both are [B, 3, H, W] of one size, H and W positive multiples of 32."""
    if left.ndim != 4 or left.shape[1] != 3 or left.shape != right.shape:
        raise ImageError(
            f"left is {list(left.shape)}, right is {list(right.shape)}: both must be [B, 3, H, W] and of equal size"
        )
    height, width = left.shape[2:]
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or height < SIZE_MULTIPLE or width < SIZE_MULTIPLE:
        raise ImageError(
            f"images are {width} x {height} px: the network takes multiples of {SIZE_MULTIPLE} px only; pad them first"
        )


def check_settings(iterations: int, max_disparity: int, limit: int) -> None:
    """Raise `ParameterError` unless iterations >= 1 and max_disparity is a multiple of 32 within 32 .. ``limit`` px."""
    if iterations < 1:
        raise ParameterError(f"iterations is {iterations}: at least 1 is needed")
    if max_disparity % DISPARITY_MULTIPLE or not DISPARITY_MULTIPLE <= max_disparity <= limit:
        raise ParameterError(
            f"max_disparity is {max_disparity} px: these weights take multiples of {DISPARITY_MULTIPLE} "
            f"from {DISPARITY_MULTIPLE} to {limit} px"
        )


def _attach_unused(root: nn.Module, tensor: UnusedTensor) -> None:
    """Register a tensor nobody reads under its dotted name: as a buffer, so that no optimiser sees it."""
    *path, name = tensor.name.split(".")
    module = root
    for part in path:
        child = module._modules.get(part)
        if child is None:
            child = UnusedTensors()
            module.add_module(part, child)
        module = child
    dtype = getattr(torch, tensor.dtype)
    module.register_buffer(name, torch.zeros(tensor.shape, dtype=dtype))

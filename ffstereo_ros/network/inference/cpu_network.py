"""Fast-FoundationStereo with its stages in the form that is cheapest on a CPU.

A stage of an arrangement that the cheap form does not fit stays the plain one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from torch import Tensor, nn

from ffstereo_ros.network.aggregation import PostJoin
from ffstereo_ros.network.blocks import (
    BasicConv,
    BlockSequence,
    FeatureAttention,
    HelperSequence,
    ReducedConv,
    ResidualBlock,
    UnusedTensors,
)
from ffstereo_ros.network.encoder import FeatureMaps
from ffstereo_ros.network.inference.first_convolution import FirstConvolution, splits
from ffstereo_ros.network.inference.layout import keep_innermost
from ffstereo_ros.network.inference.logit_convolution import LogitConvolution, single_channel
from ffstereo_ros.network.inference.row_lookup import RowLookup, SampleProjection
from ffstereo_ros.network.inference.step_upsampling import upsample_beside_steps
from ffstereo_ros.network.inference.update_step import UpdateStep, plain, rearranges
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.refinement import Context

_MAKERS = (BasicConv, ReducedConv, ResidualBlock)  # blocks whose result is a tensor of its own


class CpuStereo(FastFoundationStereo):
    """The same network for inference alone; made by `arrange_for_cpu`."""

    first_convolution: FirstConvolution | None
    sample_projection: SampleProjection | None

    def match(self, left: FeatureMaps, right: Tensor, max_disparity: int) -> tuple[Tensor, Tensor]:
        """Left maps, right map at 1/4 -> filtered volume [B, C, D, h, w] and matching logits [B, D, h, w]."""
        if self.first_convolution is None:
            return super().match(left, right, max_disparity)
        return self.aggregate(self.first_convolution(left.x4, right, max_disparity // 4), left)

    def make_lookup(self, volume: Tensor, left: Tensor, right: Tensor) -> Callable[[Tensor], Tensor]:
        """Filtered volume, features at 1/4 -> what gives the update block its samples around a disparity."""
        if self.sample_projection is None:
            return super().make_lookup(volume, left, right)
        return RowLookup(volume, left, right, self.sample_projection, self.config.lookup)

    def context(self, feature: Tensor) -> Context:
        """Left feature at 1/4 -> `Context`; where the update step takes it so, with the context's part of its input."""
        context = super().context(feature)
        step = self.update_block
        return context._replace(context=step.context_part(context.context)) if isinstance(step, UpdateStep) else context

    def upsample(self, disparity: Tensor, hidden: Tensor, stem: Tensor) -> Tensor:
        """Disparity [B, 1, h, w] in quarter px -> [B, 1, H, W] in px."""
        radius = self.config.surface_radius
        if radius is None:
            return super().upsample(disparity, hidden, stem)
        return upsample_beside_steps(disparity, self.upsampling_logits(hidden, stem), radius)


def arrange_for_cpu(model: FastFoundationStereo) -> CpuStereo:
    """The model given (no copy), folded before, with the stages replaced that have a cheaper form."""
    model.__class__ = CpuStereo
    assert isinstance(model, CpuStereo)
    keep_innermost(model)
    _write_in_place(model)
    _replace_logit_convolution(model)
    model.first_convolution = _take_first_convolution(model)
    encoder = model.update_block.encoder
    model.sample_projection = None
    if plain(encoder.convc1) and encoder.convc1.kernel_size == (1, 1) and encoder.convc1.padding == (0, 0):
        model.sample_projection = SampleProjection(encoder.convc1, model.config.lookup)
        encoder.convc1 = nn.Identity()
    if rearranges(model.update_block):
        model.register_module("update_block", UpdateStep(model.update_block))
    return model


def _write_in_place(model: nn.Module) -> None:
    """Let sums and gates write over a volume that the block before them has just made and nobody else reads."""
    for module in model.modules():
        if isinstance(module, PostJoin):
            module.in_place = True
        if isinstance(module, (nn.Sequential, nn.ModuleList)):
            for before, gate in itertools.pairwise(module):
                if isinstance(gate, FeatureAttention) and isinstance(before, _MAKERS):
                    gate.in_place = True


def _replace_logit_convolution(model: CpuStereo) -> None:
    owner, name = _place(model, "classifier", -1)
    last = owner._modules.get(name)
    if last is not None and single_channel(last):
        owner._modules[name] = LogitConvolution(last)


def _take_first_convolution(model: CpuStereo) -> FirstConvolution | None:
    """The first convolution on the volume, to be one with the volume's making; an identity takes its place."""
    for slot in ("corr_stem", "corr_feature_att"):
        owner, name = _place(model, slot, 0)
        first = owner._modules.get(name)
        if splits(first):
            owner._modules[name] = nn.Identity()
            return FirstConvolution(first, model.proj_cmb, model.config.volume)
        if first is not None and not isinstance(first, (UnusedTensors, nn.Identity)):
            return None
    return None


def _place(model: nn.Module, slot: str, index: int) -> tuple[nn.Module, str]:
    """The owner, and its name there, of what computes first (0) or last (-1) in a slot."""
    block = model._modules[slot]
    if not isinstance(block, (BlockSequence, HelperSequence)):
        return model, slot
    owner = block.layers if isinstance(block, HelperSequence) else block
    names = list(owner._modules)
    return owner, names[index] if names else "0"

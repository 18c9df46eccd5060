"""The network with its volume, lookup and upsampling computed by our CUDA kernels; the same stages, the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.kernels.convex_upsample.op import convex_upsample
from ffstereo_ros.kernels.correlation_volume.folding import PointwiseConvolution, fold_pointwise_convolution
from ffstereo_ros.kernels.correlation_volume.op import correlation_volume
from ffstereo_ros.kernels.geometry_lookup.op import geometry_lookup
from ffstereo_ros.kernels.geometry_lookup.packing import LookupConvolution, pack_convolution
from ffstereo_ros.kernels.volume_terms.folding import FirstConvolution, fold_first_convolution
from ffstereo_ros.kernels.volume_terms.op import add_volume_terms_
from ffstereo_ros.network.blocks import LEAKY_SLOPE, BasicConv, BlockSequence, HelperSequence, UnusedTensors
from ffstereo_ros.network.cost_volume import all_pairs_correlation
from ffstereo_ros.network.model import FastFoundationStereo


class KernelNetwork(FastFoundationStereo):
    """Made by `with_kernels`; runs on a CPU too, by the kernels' references.

    Attributes:
        first: the convolution that reads the combined volume, split so that this volume is never written; None where
            the arrangement begins with something else.
        first_outputs: its output channels.
        slope: of the LeakyReLU behind it that is computed with it; 1 = none.
        samples: the motion encoder's first convolution, computed with the lookup; None where it is not 1x1.
    """

    first: PointwiseConvolution | FirstConvolution | None
    first_outputs: int
    slope: float
    samples: LookupConvolution | None

    def build_volume(self, left: Tensor, right: Tensor, max_disparity: int) -> Tensor:
        """Features at 1/4 [B, C, h, w] -> [B, C', D, h, w]: what follows the first convolution, where it is split."""
        volume, disparities = self.config.volume, max_disparity // 4
        settings = (volume.groups, disparities, volume.normalize)
        if isinstance(self.first, PointwiseConvolution):
            terms = (self.first.left_term(left), self.first.right_term(right))
            return correlation_volume(left, right, *settings, *terms, self.first.weight)
        projected = (self.proj_cmb(left), self.proj_cmb(right))
        if self.first is None:
            return correlation_volume(left, right, *settings, *projected)
        return self._convolved(correlation_volume(left, right, *settings), *projected)

    def make_lookup(self, volume: Tensor, left: Tensor, right: Tensor) -> Callable[[Tensor], Tensor]:
        """Filtered volume, features at 1/4 -> the motion encoder's first convolution of the samples at a disparity."""
        volume = volume.contiguous(memory_format=torch.channels_last_3d)
        correlation, lookup = all_pairs_correlation(left, right), self.config.lookup

        def sample(disparity: Tensor) -> Tensor:
            return geometry_lookup(volume, correlation, disparity.float(), lookup.radius, lookup.levels, self.samples)

        return sample

    def upsample(self, disparity: Tensor, hidden: Tensor, stem: Tensor) -> Tensor:
        """Disparity [B, 1, h, w] in quarter px -> [B, 1, H, W] in px."""
        return convex_upsample(disparity, self.upsampling_logits(hidden, stem), self.config.surface_radius)

    def _convolved(self, correlation: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Correlation [B, G, D, h, w], projected features [B, P, h, w] -> the first 3x3x3 convolution's output."""
        assert isinstance(self.first, FirstConvolution)
        volume = F.conv3d(correlation, self.first.correlation_weight, padding=1)
        volume = volume.contiguous(memory_format=torch.channels_last_3d)
        add_volume_terms_(volume, self.first.left_map(left), self.first.right_map(right), self.slope)
        return volume[:, : self.first_outputs]


@torch.no_grad()
def with_kernels(model: FastFoundationStereo) -> KernelNetwork:
    """The model given (prepared for inference, on its device, in its precision) turned into a `KernelNetwork`."""
    model.__class__ = KernelNetwork
    assert isinstance(model, KernelNetwork)
    _take_first_convolution(model)
    _take_first_sample_convolution(model)
    return model


def _take_first_convolution(model: KernelNetwork) -> None:
    """Split the convolution on the combined volume, if the arrangement begins with one that can be."""
    model.first, model.first_outputs, model.slope = None, 0, 1.0
    parent, name = _first_slot(model)
    block = parent._modules.get(name)
    owner, inner = (block, "conv") if isinstance(block, BasicConv) else (parent, name)
    conv = owner._modules.get(inner)
    if not isinstance(conv, nn.Conv3d) or not _is_plain(conv):
        return
    groups, projection = model.config.volume.groups, model.proj_cmb
    if conv.kernel_size == (3, 3, 3) and conv.padding == (1, 1, 1):
        model.first = fold_first_convolution(conv.weight, conv.bias, groups)
        if isinstance(block, BasicConv) and block.activation and isinstance(block.bn, nn.Identity):
            model.slope, block.activation = LEAKY_SLOPE, False
    elif conv.kernel_size == (1, 1, 1) and conv.padding == (0, 0, 0) and _is_pointwise(projection):
        weights = (conv.weight, conv.bias, projection.weight, projection.bias)
        model.first = fold_pointwise_convolution(*weights, groups)
    else:
        return
    model.first_outputs = conv.out_channels
    owner._modules[inner] = nn.Identity()


def _first_slot(model: FastFoundationStereo) -> tuple[nn.Module, str]:
    """Where the block that reads the combined volume sits: its parent and its name there."""
    empty = model.corr_stem is None or isinstance(model.corr_stem, UnusedTensors)
    name = "corr_feature_att" if empty else "corr_stem"
    slot = model._modules[name]
    if isinstance(slot, HelperSequence):
        return slot.layers, "0"
    return (slot, "0") if isinstance(slot, BlockSequence) else (model, name)


def _take_first_sample_convolution(model: KernelNetwork) -> None:
    encoder, lookup = model.update_block.encoder, model.config.lookup
    conv, model.samples = encoder.convc1, None
    if not _is_pointwise(conv):
        return
    bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
    model.samples = pack_convolution(conv.weight, bias, lookup.radius, lookup.levels)
    encoder.convc1 = nn.Identity()


def _is_plain(conv: nn.Conv2d | nn.Conv3d) -> bool:
    return conv.groups == 1 and {*conv.stride, *conv.dilation} == {1} and conv.padding_mode == "zeros"


def _is_pointwise(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
    plain = isinstance(conv, nn.Conv2d) and _is_plain(conv)
    return plain and conv.kernel_size == (1, 1) and conv.padding == (0, 0)

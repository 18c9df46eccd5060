"""Affine steps folded into the convolution or linear layer before them: batch norms and layer scales."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ffstereo_ros.network.blocks import BasicConv, ConvNeXtBlock, ResidualBlock
from ffstereo_ros.network.encoder import ConvBlock, SplitTransposeBlock

_TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, *_TRANSPOSED)
_BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def fold(model: nn.Module) -> None:
    """Fold every batch norm and layer scale of an evaluating model, in place."""
    for module in model.modules():
        if isinstance(module, BasicConv):
            _fold_pair(module, "conv", "bn")
        elif isinstance(module, ResidualBlock):
            _fold_pair(module, "conv1", "bn1")
            _fold_pair(module, "conv2", "bn2")
        elif isinstance(module, (nn.Sequential, nn.ModuleList)):
            for name, following in itertools.pairwise(list(module._modules)):
                _fold_pair(module, name, following)
        elif isinstance(module, ConvNeXtBlock):
            _fold_scale(module.pwconv2, module, "gamma")
        elif isinstance(module, (ConvBlock, SplitTransposeBlock)):
            _fold_scale(module.mlp.fc2, module, "gamma")
        if isinstance(module, SplitTransposeBlock):
            _fold_scale(module.xca.proj, module, "gamma_xca")


def _fold_pair(parent: nn.Module, convolution: str, norm: str) -> None:
    """Fold the batch norm ``norm`` of ``parent`` into its ``convolution``, where they are such a pair."""
    first, batch_norm = parent._modules[convolution], parent._modules[norm]
    if not isinstance(batch_norm, _BATCH_NORMS):
        return
    owner, name = parent, convolution
    if isinstance(first, BasicConv) and not first.activation and isinstance(first.bn, nn.Identity):
        owner, name = first, "conv"
    conv = owner._modules[name]
    transposed = isinstance(conv, _TRANSPOSED)
    if isinstance(conv, _CONVOLUTIONS) and not (transposed and conv.groups > 1):
        owner._modules[name] = fuse_conv_bn_eval(conv, batch_norm, transpose=transposed)
        parent._modules[norm] = nn.Identity()


def _fold_scale(linear: nn.Linear, owner: nn.Module, name: str) -> None:
    """Multiply the layer scale ``name`` [C] into the rows of ``linear``; the owner then holds None."""
    scale = getattr(owner, name)
    linear.weight.mul_(scale[:, None])
    linear.bias.mul_(scale)
    setattr(owner, name, None)

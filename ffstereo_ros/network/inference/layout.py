"""Channels innermost in memory: convolutions of few channels then run several times faster on CPUs and tensor cores."""

from __future__ import annotations

from torch import Tensor, channels_last, channels_last_3d, nn

_FLAT = (nn.Conv2d, nn.ConvTranspose2d)
_VOLUMETRIC = (nn.Conv3d, nn.ConvTranspose3d)


def channels_innermost(x: Tensor) -> Tensor:
    """[B, C, H, W] or [B, C, D, H, W], unchanged but for its strides."""
    return x.contiguous(memory_format=channels_last if x.ndim == 4 else channels_last_3d)


def arrange_for_speed(model: nn.Module) -> None:
    """Turn the weights of every convolution in place; what they give then has its channels innermost too."""
    for module in model.modules():
        if isinstance(module, (*_FLAT, *_VOLUMETRIC)):
            module.weight.data = channels_innermost(module.weight.data)

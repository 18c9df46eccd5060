"""Channels innermost in memory: convolutions of few channels then run several times faster on CPUs and tensor cores."""

from __future__ import annotations

from torch import Tensor, channels_last, channels_last_3d, float32, nn

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


class InstanceNorm(nn.Module):
    """`nn.InstanceNorm2d` without affine part that keeps the channels innermost: [B, C, H, W] -> same.

    torch's own gives them outermost, and everything behind it then turns its input first.
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1).to(float32, copy=True)
        rows.sub_(rows.mean(dim=(1, 2), keepdim=True))  # var_mean over outer axes takes ten times as long
        variance = rows.square().mean(dim=(1, 2), keepdim=True)
        return rows.mul_(variance.add_(self.eps).rsqrt_()).to(x.dtype).permute(0, 3, 1, 2)


def keep_innermost(model: nn.Module) -> None:
    """Replace the norms of an evaluating model that would turn the channels outwards, in place."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm2d) and not child.affine and not child.track_running_stats:
                module.register_module(name, InstanceNorm(child.eps))

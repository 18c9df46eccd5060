"""The classifier's last convolution, 3-D to a single channel, a disparity at a time.

oneDNN computes 16 output channels at least. As one 2-D convolution per disparity, with an output for each of the
kernel's disparities that are added up afterwards, 28 -> 1 channels at 48 x 120 x 160 take 38 ms instead of 101 (one
Zen 4 core, bfloat16).
"""

from __future__ import annotations

from typing import TypeGuard

from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.inference.layout import channels_innermost


def single_channel(convolution: nn.Module) -> TypeGuard[nn.Conv3d]:
    """Whether it is a dense 3-D convolution to one channel, stride 1, the size of the volume kept."""
    if not isinstance(convolution, nn.Conv3d) or convolution.out_channels != 1 or convolution.groups != 1:
        return False
    same = tuple(2 * padding + 1 for padding in _numbers(convolution.padding)) == convolution.kernel_size
    return same and convolution.stride == convolution.dilation == (1, 1, 1)


class LogitConvolution(nn.Module):
    """[B, C, D, H, W] -> [B, 1, D, H, W] in float32, so that the logits are rounded once."""

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.weight = channels_innermost(convolution.weight.detach()[0].transpose(0, 1))  # [K, C, k, k]
        self.bias = convolution.bias
        self.padding = _numbers(convolution.padding)[1:]

    def forward(self, volume: Tensor) -> Tensor:
        B, C, D, H, W = volume.shape
        slices = channels_innermost(volume).transpose(1, 2).reshape(B * D, C, H, W)
        parts = F.conv2d(slices, self.weight, padding=self.padding).view(B, D, -1, H, W)
        reach = parts.shape[2] // 2
        total = parts[:, :, reach].float()
        for offset in range(1, min(reach + 1, D)):
            total[:, offset:] += parts[:, :-offset, reach - offset]
            total[:, :-offset] += parts[:, offset:, reach + offset]
        return (total if self.bias is None else total.add_(self.bias)).unsqueeze(1)


def _numbers(padding: str | tuple[int, ...]) -> tuple[int, ...]:
    """The padding of each axis; a named one counts as none, which keeps no size."""
    return (-1,) * 3 if isinstance(padding, str) else padding

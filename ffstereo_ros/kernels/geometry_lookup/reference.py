"""What the kernel computes, in PyTorch: the definition that it is tested against, and what CPU tensors get."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def geometry_lookup(
    volume: Tensor,
    correlation: Tensor,
    disparity: Tensor,
    radius: int,
    levels: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """See `ffstereo_ros.kernels.geometry_lookup.geometry_lookup`; weight [O, S], bias [O] of the convolution."""
    volumes, correlations = build_pyramid(volume, correlation, levels)
    samples = sample_pyramid(volumes, correlations, disparity, radius).to(volume.dtype)
    if weight is None:
        return samples
    return F.relu(F.conv2d(samples, weight[:, :, None, None], None if bias is None else bias.to(samples.dtype)))


def build_pyramid(volume: Tensor, correlation: Tensor, levels: int) -> tuple[list[Tensor], list[Tensor]]:
    """Volume [B, C, D, H, W] halved along D per level, correlation [B, H, W, W'] along W', seen as [B, 1, W', H, W].

    Both in float32 (float64 stays), with one zero on either side of the sampled axis 2.
    """
    volume, correlation = _precise(volume), _precise(correlation).permute(0, 3, 1, 2).unsqueeze(1)
    volumes, correlations = [], []
    for level in range(levels):
        if level > 0:
            volume, correlation = _halve(volume), _halve(correlation)
        volumes.append(F.pad(volume, (0, 0, 0, 0, 1, 1)))
        correlations.append(F.pad(correlation, (0, 0, 0, 0, 1, 1)))
    return volumes, correlations


def sample_pyramid(volumes: list[Tensor], correlations: list[Tensor], disparity: Tensor, radius: int) -> Tensor:
    """Samples [B, levels * (C + 1) * (2 radius + 1), H, W] around disparity [B, 1, H, W] in volume px."""
    disparity = _precise(disparity)
    columns = torch.arange(disparity.shape[-1], device=disparity.device, dtype=disparity.dtype)
    samples = []
    for level, (volume, correlation) in enumerate(zip(volumes, correlations)):
        samples.append(_sample(volume, disparity / 2**level, radius))
        samples.append(_sample(correlation, (columns - disparity) / 2**level, radius))
    return torch.cat(samples, dim=1)


def _precise(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _halve(source: Tensor) -> Tensor:
    """Average of neighbours along axis 2; an odd last entry is dropped."""
    B, C, N, H, W = source.shape
    return source[:, :, : N // 2 * 2].reshape(B, C, N // 2, 2, H, W).mean(dim=3)


def _sample(source: Tensor, position: Tensor, radius: int) -> Tensor:
    """Zero-bordered source [B, C, N + 2, H, W], position [B, 1, H, W] -> [B, C * (2 radius + 1), H, W].

    Samples outside count as zero tap by tap (`grid_sample` with align_corners and zero padding). All offsets share the
    interpolation weight, so 2 radius + 2 neighbouring taps are gathered once and interpolated between.
    """
    length = source.shape[2] - 2
    first = position.floor()
    weight = (position - first).unsqueeze(2)  # [B, 1, 1, H, W]
    offsets = torch.arange(-radius, radius + 2, device=position.device).view(-1, 1, 1)
    index = (first.clamp(-radius - 2, length + radius + 2).long() + offsets).clamp(-1, length) + 1  # [B, taps, H, W]
    index = index.unsqueeze(1).expand(-1, source.shape[1], -1, -1, -1)
    taps = source.gather(2, index)
    return torch.lerp(taps[:, :, :-1], taps[:, :, 1:], weight).flatten(1, 2)

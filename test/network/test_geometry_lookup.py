"""The gathered lookup against `grid_sample`, the operation the published weights were trained with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.network.config import LookupConfig
from ffstereo_ros.network.geometry_lookup import GeometryPyramid

B, C, H, W = 2, 3, 4, 13


def sampled(rows: Tensor, position: Tensor, radius: int) -> Tensor:
    """Rows [B, H, W, C, N] sampled by grid_sample at position [B, 1, H, W] + offsets -> [B, C * offsets, H, W]."""
    length = rows.shape[-1]
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    index = position.reshape(-1, 1) + offsets  # [B H W, offsets]
    grid = torch.stack((2 * index / (length - 1) - 1, torch.zeros_like(index)), dim=-1)[:, None]
    picked = F.grid_sample(rows.reshape(-1, rows.shape[3], 1, length), grid, align_corners=True)
    return picked.reshape(B, H, W, -1).permute(0, 3, 1, 2)


def halved(rows: Tensor) -> Tensor:
    """[B, H, W, C, N] -> [B, H, W, C, N // 2], pairs averaged."""
    return F.avg_pool2d(rows.flatten(0, 2), (1, 2)).reshape(B, H, W, rows.shape[3], -1)


@pytest.mark.parametrize(("D", "levels", "radius"), [(8, 2, 4), (12, 1, 1), (17, 3, 2)])
def test_equals_grid_sample_inside_and_outside_the_axes(D: int, levels: int, radius: int) -> None:
    generator = torch.Generator().manual_seed(D)
    volume = torch.randn(B, C, D, H, W, generator=generator)
    correlation = torch.randn(B, H, W, W, generator=generator)
    disparity = torch.rand(B, 1, H, W, generator=generator) * 3 * D - D  # far below 0 to far beyond D
    rows, pairs = volume.permute(0, 3, 4, 1, 2), correlation.unsqueeze(3)
    columns = torch.arange(W, dtype=torch.float32).expand(B, 1, H, W)
    expected = []
    for level in range(levels):
        expected.append(sampled(rows, disparity / 2**level, radius))
        expected.append(sampled(pairs, (columns - disparity) / 2**level, radius))
        rows, pairs = halved(rows), halved(pairs)
    ours = GeometryPyramid(volume, correlation, LookupConfig(levels, radius))(disparity)
    assert (ours - torch.cat(expected, dim=1)).abs().max() < 2e-5  # worst measured 1.5e-6


def test_channels_are_ordered_by_level_source_channel_offset() -> None:
    """At a whole disparity the samples are entries of the volume, found at 261 level + 9 channel + offset + 4."""
    volume = torch.arange(28 * 48, dtype=torch.float32).view(1, 28, 48, 1, 1).expand(1, 28, 48, 1, 60)
    correlation = torch.rand(1, 1, 60, 60)
    samples = GeometryPyramid(volume, correlation, LookupConfig())(torch.full((1, 1, 1, 60), 20.0))
    assert samples.shape[1] == 522
    assert samples[0, 9 * 5 + 4 + 3, 0, 30] == volume[0, 5, 23, 0, 30]
    assert samples[0, 252 + 4 - 2, 0, 30] == correlation[0, 0, 30, 30 - 20 - 2]
    assert samples[0, 261 + 9 * 5 + 4 + 1, 0, 30] == volume[0, 5, 22:24, 0, 30].mean()


def test_gradients_reach_both_sources() -> None:
    volume = torch.rand(1, 2, 8, 2, 5, requires_grad=True)
    correlation = torch.rand(1, 2, 5, 5, requires_grad=True)
    disparity = torch.full((1, 1, 2, 5), 2.5)
    GeometryPyramid(volume, correlation, LookupConfig(2, 2))(disparity).sum().backward()
    assert volume.grad is not None
    assert correlation.grad is not None
    assert volume.grad[:, :, 2].min() > 0
    assert correlation.grad.abs().sum() > 0

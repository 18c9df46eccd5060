"""Convex upsampling against its definition."""

from __future__ import annotations

import torch

from ffstereo_ros.network.upsampling import convex_upsample


def test_each_pixel_is_a_weighting_of_its_neighbours_in_full_px() -> None:
    generator = torch.Generator().manual_seed(0)
    disparity = torch.rand(2, 1, 3, 4, generator=generator) * 40
    logits = torch.randn(2, 9, 12, 16, generator=generator)
    ours = convex_upsample(disparity, logits)
    padded = torch.nn.functional.pad(disparity, (1, 1, 1, 1))
    weights = logits.softmax(1)
    for y in range(12):
        for x in range(16):
            window = padded[:, 0, y // 4 : y // 4 + 3, x // 4 : x // 4 + 3].flatten(1)
            expected = 4 * (weights[:, :, y, x] * window).sum(1)
            assert (ours[:, 0, y, x] - expected).abs().max() < 1e-4  # px; worst measured 2.3e-5


def test_the_interior_of_a_constant_map_stays_constant() -> None:
    up = convex_upsample(torch.full((1, 1, 4, 5), 7.25), torch.randn(1, 9, 16, 20))
    assert (up[..., 4:-4, 4:-4] - 29).abs().max() < 1e-4  # px

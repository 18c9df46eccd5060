"""Convex upsampling against its definition."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from ffstereo_ros.network.inference.step_upsampling import upsample_beside_steps
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


def beside_a_step() -> tuple[Tensor, Tensor]:
    """A disparity [2, 1, 6, 8] in quarter px with steps of 5, some noise on it, and random logits [2, 9, 24, 32]."""
    generator = torch.Generator().manual_seed(0)
    steps, noise = torch.rand(2, 2, 1, 6, 8, generator=generator)
    return 10 + 5 * (steps > 0.7) + noise, 2 * torch.randn(2, 9, 24, 32, generator=generator)


def test_with_a_radius_each_pixel_is_a_mean_over_the_surface_with_most_weight() -> None:
    disparity, logits = beside_a_step()
    ours = convex_upsample(disparity, logits, 6.0)
    padded = torch.nn.functional.pad(4 * disparity, (1, 1, 1, 1), mode="replicate")
    weights = logits.softmax(1)
    for b, y, x in itertools.product(range(2), range(24), range(32)):
        values, weight = padded[b, 0, y // 4 : y // 4 + 3, x // 4 : x // 4 + 3].flatten(), weights[b, :, y, x]
        surfaces = [(values - value).abs() <= 6 for value in values]
        heaviest = max(surfaces, key=lambda surface: float(weight[surface].sum()))
        expected = (weight * values)[heaviest].sum() / weight[heaviest].sum()
        assert (ours[b, 0, y, x] - expected).abs() < 1e-4  # px


def test_with_a_radius_nothing_hangs_between_two_surfaces() -> None:
    disparity, logits = torch.full((1, 1, 6, 8), 10.0), torch.randn(1, 9, 24, 32)
    disparity[..., 4:] = 20  # a step of 40 px
    answers = [convex_upsample(disparity, logits, radius) for radius in (None, 4.0)]
    hanging = [bool(((up > 40.1) & (up < 79.9)).any()) for up in answers]
    assert hanging == [True, False]


def test_where_all_neighbours_are_near_a_radius_changes_nothing() -> None:
    disparity, logits = 10 + torch.rand(1, 1, 6, 8), torch.randn(1, 9, 24, 32)
    plain, one = (convex_upsample(disparity, logits, radius) for radius in (None, 4.0))
    assert (plain - one)[..., 4:-4, 4:-4].abs().max() < 1e-4  # px
    assert one.min() >= 40  # no zeros from outside the image


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_beside_steps_alone_it_is_the_same(layout: torch.memory_format, dtype: torch.dtype) -> None:
    disparity, logits = beside_a_step()
    logits = logits.to(dtype).contiguous(memory_format=layout)
    assert (upsample_beside_steps(disparity, logits, 6.0) - convex_upsample(disparity, logits, 6.0)).abs().max() < 1e-4
    flat = torch.full((1, 1, 6, 8), 7.0)  # no step at all
    assert (upsample_beside_steps(flat, logits[:1], 6.0) - 28).abs().max() < 1e-4

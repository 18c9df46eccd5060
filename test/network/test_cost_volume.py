"""The volumes against their definitions, written as plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.network.cost_volume import (
    all_pairs_correlation,
    combined_volume,
    groupwise_correlation,
    shifted,
)

SIZES = [(1, 3, 5, 4), (2, 2, 6, 9), (1, 1, 2, 3), (2, 4, 12, 12)]  # B, H, W, D; the search range may exceed the width


def features(B: int, H: int, W: int, C: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(B * 1000 + H * 100 + W)
    left, right = torch.randn(2, B, C, H, W, generator=generator).unbind(0)
    return left, right


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("B", "H", "W", "D"), SIZES)
def test_groupwise_correlation_sums_products_per_group(B: int, H: int, W: int, D: int, normalize: bool) -> None:
    left, right = features(B, H, W)
    expected = torch.zeros(B, 3, D, H, W)
    for g in range(3):
        a, b = left[:, 4 * g : 4 * g + 4], right[:, 4 * g : 4 * g + 4]
        if normalize:
            a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
        for d in range(min(D, W)):
            expected[:, g, d, :, d:] = (a[..., d:] * b[..., : W - d]).sum(1)
    ours = groupwise_correlation(left, right, 3, D, normalize)
    assert (ours - expected).abs().max() < 5e-6  # worst measured 4.8e-7


@pytest.mark.parametrize(("B", "H", "W", "D"), SIZES)
def test_combined_volume_repeats_left_and_shifts_right(B: int, H: int, W: int, D: int) -> None:
    left, right = features(B, H, W)
    correlation = torch.randn(B, 3, D, H, W)
    volume = combined_volume(correlation, left, right)
    assert torch.equal(volume[:, :3], correlation)
    for d in range(D):
        assert torch.equal(volume[:, 3:15, d], left)  # also where x < d
        expected = torch.zeros(B, 12, H, W)
        expected[..., d:] = right[..., : max(W - d, 0)]
        assert torch.equal(volume[:, 15:, d], expected)


def test_all_pairs_correlation_is_the_cosine_of_every_pair_of_a_row() -> None:
    left, right = features(2, 3, 5)
    ours = all_pairs_correlation(left, right)
    for x in range(5):
        for other in range(5):
            expected = F.cosine_similarity(left[..., x], right[..., other], dim=1)
            assert (ours[:, :, x, other] - expected).abs().max() < 1e-6  # worst measured 1.2e-7


def test_gradients_are_those_of_the_definition() -> None:
    left, right = (feature.double()[:, :4].requires_grad_() for feature in features(1, 2, 5))
    assert torch.autograd.gradcheck(lambda a, b: groupwise_correlation(a, b, 2, 4, False), (left, right))
    assert torch.autograd.gradcheck(lambda b: shifted(b, 4), (right,))

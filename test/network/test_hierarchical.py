"""Padding is undone exactly; hierarchical inference starts from the half-size answer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from network_arrangements import searched_hourglass, small_config

from ffstereo_ros.network.hierarchical import margins_for, match_hierarchical, match_padded, pad, unpad
from ffstereo_ros.network.model import FastFoundationStereo


@given(height=st.integers(1, 200), width=st.integers(1, 200))
def test_padding_is_the_least_that_does_and_comes_off_exactly(height: int, width: int) -> None:
    image = torch.rand(1, 2, height, width)
    margins = margins_for(height, width)
    padded = pad(image, margins)
    assert padded.shape[2] % 32 == padded.shape[3] % 32 == 0
    assert padded.shape[2] - height < 32
    assert padded.shape[3] - width < 32
    assert 0 <= margins.right - margins.left <= 1
    assert 0 <= margins.bottom - margins.top <= 1
    assert torch.equal(unpad(padded, margins), image)
    assert torch.equal(padded[..., 0, 0], image[..., 0, 0])


@pytest.fixture(scope="module")
def network() -> FastFoundationStereo:
    torch.manual_seed(3)
    return FastFoundationStereo(small_config(searched_hourglass())).eval()


@torch.inference_mode()
@pytest.mark.parametrize("run", [match_padded, match_hierarchical])
@pytest.mark.parametrize("size", [(64, 96), (65, 101), (70, 33)])
def test_any_size_comes_back_at_its_size_without_negatives(
    network: FastFoundationStereo, run: object, size: tuple[int, int]
) -> None:
    left, right = torch.rand(2, 1, 3, *size).mul(255).unbind(0)
    disparity = (match_padded if run is match_padded else match_hierarchical)(network, left, right, 1, 64)
    assert disparity.shape == (1, 1, *size)
    assert disparity.min() >= 0


@torch.inference_mode()
def test_a_start_in_px_is_refined_where_no_padding_is_needed(network: FastFoundationStereo) -> None:
    """A constant start of 40 px is 10 quarter px in every pixel."""
    left, right = torch.rand(2, 1, 3, 64, 96).mul(255).unbind(0)
    ours = match_padded(network, left, right, 1, 64, torch.full((1, 1, 64, 96), 40.0))
    expected = network(left, right, 1, 64, torch.full((1, 1, 16, 24), 10.0)).disparity
    assert (ours - expected).abs().max() < 1e-3  # px; worst measured 7.6e-6

"""The disparity transformer mixes heads within a voxel, never disparities."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.disparity_attention import DisparityAttention, HeadsAttention, sinusoidal_position
from ffstereo_ros.network.specs import DisparityAttentionSpec

SPEC = DisparityAttentionSpec(channels=6, embed_channels=12, heads=3, feedforward=(10, 7), max_length=8)


def test_attention_is_scaled_dot_product_over_the_heads() -> None:
    """Queries [tokens, heads, width] go in as they are: the heads stand where a sequence usually does."""
    attention = HeadsAttention(SPEC)
    x = torch.randn(5, 4, 6)
    q, k, v = (p(x).view(5, 4, 3, 4) for p in (attention.q_proj, attention.k_proj, attention.v_proj))
    expected = attention.out_proj(F.scaled_dot_product_attention(q, k, v).flatten(2))
    assert (attention(x) - expected).abs().max() < 1e-6  # worst measured 1.2e-7


def test_a_voxel_sees_itself_alone() -> None:
    block = DisparityAttention(SPEC).eval()
    volume = torch.randn(2, 6, 8, 2, 3)
    changed = volume.clone()
    changed[0, :, 3, 1, 2] += 1
    difference = (block(changed) - block(volume)).abs().amax(dim=1)
    assert difference[0, 3, 1, 2] > 1e-3
    difference[0, 3, 1, 2] = 0
    assert difference.max() == 0


def test_equal_voxels_differ_by_their_disparity() -> None:
    out = DisparityAttention(SPEC).eval()(torch.ones(1, 6, 8, 1, 1))
    assert (out[:, :, 1:] - out[:, :, :-1]).abs().amax(dim=1).min() > 1e-3


def test_position_table_is_the_sinusoidal_one() -> None:
    table = sinusoidal_position(5, 6)
    for p in range(5):
        for j in range(3):
            w = 10000 ** (-2 * j / 6)
            assert table[p, 2 * j].item() == pytest.approx(math.sin(p * w), abs=1e-6)
            assert table[p, 2 * j + 1].item() == pytest.approx(math.cos(p * w), abs=1e-6)


def test_a_longer_disparity_axis_is_refused_in_px() -> None:
    with pytest.raises(ParameterError, match=r"144 px .* at most 128 px"):
        DisparityAttention(SPEC)(torch.zeros(1, 6, 9, 1, 1))

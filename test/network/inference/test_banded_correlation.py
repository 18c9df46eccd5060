"""The band of a correlation volume is that of whole rows, whatever the size."""

from __future__ import annotations

import pytest
import torch

from ffstereo_ros.network.cost_volume import groupwise_correlation
from ffstereo_ros.network.inference.banded_correlation import banded_correlation, pays_banded


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(
    ("batch", "channels", "groups", "height", "width", "disparities"),
    [(1, 48, 8, 6, 40, 16), (2, 48, 8, 5, 37, 24), (1, 12, 4, 3, 9, 24), (1, 6, 3, 2, 8, 8), (1, 8, 8, 1, 2, 8)],
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_is_the_volume_of_whole_rows(
    batch: int,
    channels: int,
    groups: int,
    height: int,
    width: int,
    disparities: int,
    normalize: bool,
    dtype: torch.dtype,
) -> None:
    draw = torch.Generator().manual_seed(channels + width)
    left, right = (
        torch.randn(batch, channels, height, width, generator=draw)
        .to(dtype)
        .contiguous(memory_format=torch.channels_last)
        for _ in range(2)
    )
    expected = groupwise_correlation(left, right, groups, disparities, normalize)
    found = banded_correlation(left, right, groups, disparities, normalize)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-2 if dtype is torch.bfloat16 else 1e-5)
    assert found.float().abs().max() > 0.1
    seen = torch.arange(width) >= torch.arange(disparities)[:, None]  # [D, W]
    assert not found.permute(0, 1, 3, 2, 4)[..., ~seen].any(), "no partner, no correlation"


def test_pays_for_narrow_groups_in_bfloat16() -> None:
    narrow, wide = torch.zeros(1, 48, 2, 2), torch.zeros(1, 224, 2, 2)
    assert pays_banded(narrow.bfloat16(), 8)
    assert not pays_banded(narrow, 8)
    assert not pays_banded(wide.bfloat16(), 8)

"""Filters that look at one pixel at a time: region of interest, left band, confidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffstereo_ros.core.filters.confidence import mask_low_confidence
from ffstereo_ros.core.filters.left_band import mask_left_band
from ffstereo_ros.core.filters.region import Region, mask_outside

NAN = np.nan


def test_a_confidence_at_the_threshold_is_kept() -> None:
    disparity = np.array([[1, 2, 3, NAN]], np.float32)
    kept = mask_low_confidence(disparity, np.array([[0.2, 0.3, 0.29, 0.9]], np.float32), threshold=0.3)
    np.testing.assert_array_equal(kept, np.array([[NAN, 2, NAN, NAN]], np.float32))


def test_the_left_band_ends_where_the_match_meets_the_right_image() -> None:
    disparity = np.full((2, 6), 2.5, np.float32)
    disparity[1, 4] = NAN
    kept = mask_left_band(disparity)
    np.testing.assert_array_equal(np.isnan(kept[0]), [True, True, True, False, False, False])
    assert np.isnan(kept[1, 4])


@pytest.mark.parametrize(
    ("region", "kept"),
    [
        (Region(), 30),
        (Region(1, 2, 3, 2), 6),
        (Region(1, 2), 5 * 3),  # up to the border
        (Region(4, 3, 100, 100), 2 * 2),
        (Region(6, 0, 1, 1), 0),
    ],
)
def test_the_region_is_kept_and_no_more(region: Region, kept: int) -> None:
    disparity = np.arange(30, dtype=np.float32).reshape(5, 6)
    masked = mask_outside(disparity, region)
    assert np.isfinite(masked).sum() == kept
    assert (masked == disparity).sum() == kept
    assert region.is_whole_image is (kept == 30)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_a_region_is_its_rectangle(x: int, y: int, width: int, height: int) -> None:
    region = Region(x, y, width, height)
    kept = np.isfinite(mask_outside(np.zeros((8, 9), np.float32), region))
    rows, columns = np.indices(kept.shape)
    right, bottom = x + width if width else 9, y + height if height else 8
    np.testing.assert_array_equal(kept, (columns >= x) & (columns < right) & (rows >= y) & (rows < bottom))
    assert region.misses(9, 8) is (not kept.any())

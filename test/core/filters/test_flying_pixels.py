"""Points between two surfaces go; the surfaces, slopes and sharp edges stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ffstereo_ros.core.filters.flying_pixels import mask_flying_pixels

NAN = np.nan
MAPS = hnp.arrays(np.float32, (7, 8), elements=st.one_of(st.floats(0, 40, width=32), st.just(np.float32(NAN))))


def test_a_blurred_edge_loses_its_ramp_and_a_sharp_one_nothing() -> None:
    row = np.array([5, 5, 5, 12, 19, 25, 25, 25], np.float32)
    kept = mask_flying_pixels(np.tile(row, (5, 1)), threshold=2.0)
    np.testing.assert_array_equal(np.isnan(kept[2]), row == np.clip(row, 6, 24))
    sharp = np.tile(np.array([5, 5, 5, 25, 25, 25], np.float32), (5, 1))
    np.testing.assert_array_equal(mask_flying_pixels(sharp, threshold=2.0), sharp)


def test_a_slope_of_half_the_threshold_per_pixel_is_kept() -> None:
    slope = np.tile(np.arange(20, dtype=np.float32), (20, 1))
    np.testing.assert_array_equal(mask_flying_pixels(slope, threshold=2.0), slope)
    assert np.isnan(mask_flying_pixels(slope, threshold=1.9)).any()


def test_unknown_neighbours_say_nothing() -> None:
    lonely = np.full((5, 5), NAN, np.float32)
    lonely[2, 2] = 9.0
    np.testing.assert_array_equal(mask_flying_pixels(lonely, threshold=0.1), lonely)


@given(MAPS, st.floats(0.125, 10, width=32))
def test_a_pixel_flies_between_a_nearer_and_a_farther_neighbour(disparity: np.ndarray, threshold: float) -> None:
    kept = mask_flying_pixels(disparity, threshold=threshold)
    for row, column in zip(*np.indices(disparity.shape).reshape(2, -1)):
        around = disparity[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        value = disparity[row, column]
        flies = (around - value > threshold).any() and (value - around > threshold).any()
        np.testing.assert_equal(kept[row, column], np.float32(NAN) if flies else value)

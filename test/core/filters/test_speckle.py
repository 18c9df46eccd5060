"""Islands go by their size, whatever the disparities; what stays is unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ffstereo_ros.core.filters.speckle import mask_speckles

NAN = np.nan


@pytest.mark.parametrize(("max_size", "gone"), [(5, False), (6, True)])
def test_an_island_of_six_pixels(max_size: int, gone: bool) -> None:
    disparity = np.full((20, 20), 10.0, np.float32)
    disparity[4:6, 7:10] = 14.0
    kept = mask_speckles(disparity, max_size=max_size, max_difference=1.0)
    assert np.isnan(kept[4:6, 7:10]).all() == gone
    assert np.isfinite(kept).sum() == (394 if gone else 400)


def test_a_slope_is_one_island_and_an_unknown_line_parts_it() -> None:
    slope = np.tile(np.arange(20, dtype=np.float32), (4, 1))
    np.testing.assert_array_equal(mask_speckles(slope, max_size=60, max_difference=1.0), slope)
    slope[:, 5] = NAN  # 20 pixels to its left, 56 to its right
    kept = mask_speckles(slope, max_size=30, max_difference=1.0)
    np.testing.assert_array_equal(np.isfinite(kept[0]), np.arange(20) > 5)


def test_nothing_known_stays_nothing() -> None:
    assert np.isnan(mask_speckles(np.full((4, 4), NAN, np.float32), max_size=3, max_difference=1.0)).all()


def test_disparities_beyond_sixteenths_in_int16() -> None:
    slope = np.tile(np.arange(2040, 2060, dtype=np.float32), (4, 1))  # 2048 px are 32768 sixteenths
    np.testing.assert_array_equal(mask_speckles(slope, max_size=60, max_difference=1.5), slope)


@given(
    hnp.arrays(np.float32, (6, 7), elements=st.one_of(st.integers(0, 3).map(np.float32), st.just(np.float32(NAN)))),
    st.integers(1, 8),
)
def test_islands_as_counted_by_hand(disparity: np.ndarray, max_size: int) -> None:
    kept = mask_speckles(disparity, max_size=max_size, max_difference=0.5)
    expected = disparity.copy()
    for island in _islands(disparity):
        if len(island) <= max_size:
            expected[tuple(zip(*island))] = NAN
    np.testing.assert_array_equal(kept, expected)


def _islands(disparity: np.ndarray) -> list[set[tuple[int, int]]]:
    """Groups of equal neighbours."""
    islands: list[set[tuple[int, int]]] = []
    left = {(row, column) for row, column in np.argwhere(np.isfinite(disparity)).tolist()}
    while left:
        island, edge = set(), {left.pop()}
        while edge:
            row, column = edge.pop()
            island.add((row, column))
            near = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} & left
            same = {each for each in near if disparity[each] == disparity[row, column]}
            left -= same
            edge |= same
        islands.append(island)
    return islands

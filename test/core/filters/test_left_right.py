"""What the right view does not confirm, on scenes made by hand and on random disparities."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ffstereo_ros.backends.sgbm import SgbmBackend
from ffstereo_ros.core.filters.left_right import mask_inconsistent, match_right
from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher

NAN = np.nan
MAPS = hnp.arrays(np.float32, (4, 9), elements=st.one_of(st.floats(0, 12, width=32), st.just(np.float32(NAN))))


def test_a_pixel_stays_where_the_way_back_ends_at_it() -> None:
    left = np.array([[2, 2, 2, 2, 1, NAN]], np.float32)
    right = np.array([[2, 2.9, 0, 3.2, 0, 0]], np.float32)
    # Columns 0 and 1 match outside; 2 meets 2; 3 meets 2.9; 4 meets 3.2 at distance 2.2; 5 is unknown.
    kept = mask_inconsistent(left, right, tolerance=1.0)
    np.testing.assert_array_equal(kept, np.array([[NAN, NAN, 2, 2, NAN, NAN]], np.float32))


def test_an_unknown_right_pixel_confirms_nothing() -> None:
    left, right = np.full((3, 8), 2, np.float32), np.full((3, 8), NAN, np.float32)
    assert np.isnan(mask_inconsistent(left, right, tolerance=100.0)).all()


@given(MAPS, MAPS, st.floats(0, 3, width=32))
def test_what_is_kept_is_confirmed_and_unchanged(left: np.ndarray, right: np.ndarray, tolerance: float) -> None:
    kept = mask_inconsistent(left, right, tolerance=tolerance)
    for row, column in zip(*np.indices(left.shape).reshape(2, -1)):
        target = np.rint(column - left[row, column])
        inside = 0 <= target < left.shape[1]
        agrees = inside and abs(left[row, column] - right[row, int(target)]) <= tolerance
        np.testing.assert_equal(kept[row, column], left[row, column] if agrees else np.float32(NAN))


class RedBackend:
    """Answers with the red channel of its left image, as if that were a disparity."""

    name, size_multiple, max_disparity = "red", 1, 255

    def describe(self) -> str:
        return self.name

    def infer(self, left: Any, right: Any, **_: Any) -> BackendAnswer:
        return BackendAnswer(left[..., 0].astype(np.float32))

    def close(self) -> None:
        pass


def test_the_right_image_is_matched_as_a_mirrored_left_one() -> None:
    right = np.random.default_rng(0).integers(0, 200, (40, 50, 3), dtype=np.uint8)
    answer = match_right(StereoMatcher(RedBackend()), np.zeros_like(right), right)
    np.testing.assert_array_equal(answer, right[..., 0])


def test_the_right_view_of_a_plane() -> None:
    rng = np.random.default_rng(0)
    wide = np.repeat(rng.integers(0, 256, (64, 172, 1), dtype=np.uint8), 3, axis=2)
    left, right = wide[:, :160], wide[:, 12:]
    disparity = match_right(StereoMatcher(SgbmBackend(max_disparity=32)), left, right)
    inner = disparity[8:-8, 8:-20]  # the right image's last 12 columns are not in the left
    np.testing.assert_allclose(inner[np.isfinite(inner)], 12.0, atol=0.07)
    assert np.isfinite(inner).mean() > 0.99

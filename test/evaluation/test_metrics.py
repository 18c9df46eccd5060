"""Cases small enough to be worked out by hand from the published definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffstereo_ros.evaluation.metrics import DepthByRange, count_disparity, mean_figures

NAN = math.nan


def row(*values):
    return np.array([values], dtype=np.float32)


def test_each_threshold_is_exceeded_not_reached():
    # Errors 0.5, 1, 2, 3 px sit exactly on the thresholds, 3.5 px lies beyond all of them.
    counts = count_disparity(row(10.5, 11, 12, 13, 13.5), row(10, 10, 10, 10, 10))
    figures = counts.over_all()
    assert figures["bad05"] == pytest.approx(80)
    assert figures["bad1"] == pytest.approx(60)
    assert figures["bad2"] == pytest.approx(40)
    assert figures["bad3"] == pytest.approx(20)
    assert figures["epe"] == pytest.approx((0.5 + 1 + 2 + 3 + 3.5) / 5)
    assert figures["density"] == 100


def test_d1_needs_three_pixels_and_five_per_cent():
    # 4 px off: an outlier at 40 px (10 %), none at 100 px (4 %); 6 px off at 100 px (6 %) is one; 2 px off never.
    figures = count_disparity(row(44, 104, 106, 12), row(40, 100, 100, 10)).over_all()
    assert figures["d1"] == pytest.approx(50)
    assert figures["bad3"] == pytest.approx(75)


def test_unknown_is_bad_and_counts_as_zero_in_the_mean_error():
    counts = count_disparity(row(10, NAN, 21, 5), row(10, 8, 20, NAN))
    assert (counts.pixels, counts.answered) == (3, 2)
    every, answered = counts.over_all(), counts.over_answered()
    assert every["bad2"] == pytest.approx(100 / 3)
    assert every["d1"] == pytest.approx(100 / 3)
    assert every["epe"] == pytest.approx((0 + 8 + 1) / 3)
    assert answered["bad2"] == 0
    assert answered["epe"] == pytest.approx(0.5)
    assert every["density"] == answered["density"] == pytest.approx(200 / 3)


def test_only_the_mask_is_judged():
    visible = np.array([[True, False, True]])
    counts = count_disparity(row(10, 99, 10), row(10, 10, 15), visible)
    assert counts.over_all()["bad2"] == pytest.approx(50)


def test_no_truth_gives_no_figures():
    assert math.isnan(count_disparity(row(1, 2), row(NAN, NAN)).over_all()["bad2"])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_parts_add_up_to_the_whole(split, seed):
    random = np.random.default_rng(seed)
    truth = random.uniform(0, 60, (4, 32)).astype(np.float32)
    given_ = (truth + random.normal(0, 3, truth.shape)).astype(np.float32)
    truth[random.random(truth.shape) < 0.2] = NAN
    given_[random.random(truth.shape) < 0.2] = NAN
    whole = count_disparity(given_, truth).over_all()
    parts = (
        count_disparity(given_[:, :split], truth[:, :split]) + count_disparity(given_[:, split:], truth[:, split:])
    ).over_all()
    # Sums in float64 in another order: no difference seen in 300 draws.
    assert parts == pytest.approx(whole, rel=1e-12)


def test_depth_errors_fall_into_the_range_of_the_truth():
    true_depth, depth = row(1.5, 3.0, 3.0, 100, NAN), row(1.8, 3.3, NAN, 90, 1)
    # Disparities of f * B = 60 px m; bad2 asks for 2 px.
    ranges = DepthByRange().add(depth, true_depth, 60 / depth, 60 / true_depth)
    near, middle, far = ranges.by_range()
    assert (near["from_m"], near["to_m"]) == (1, 2)
    assert near["mae_m"] == pytest.approx(0.3, rel=1e-5)
    assert near["abs_rel"] == pytest.approx(20, rel=1e-5)
    assert near["bad2"] == 100  # 40 px against 33.3 px
    assert middle["density"] == 50
    assert middle["bad2"] == 50  # 20 px against 18.2 px is good, unknown is bad
    assert far["to_m"] == math.inf
    assert far["abs_rel"] == pytest.approx(10, rel=1e-5)
    overall = ranges.overall()
    assert overall["mae_m"] == pytest.approx((0.3 + 0.3 + 10) / 3, rel=1e-5)
    assert overall["abs_rel"] == pytest.approx((20 + 10 + 10) / 3, rel=1e-5)


def test_ranges_of_two_frames_merge():
    once = DepthByRange().add(row(2.2), row(2.0), row(5), row(5))
    twice = DepthByRange()
    twice.merge(once)
    twice.merge(once)
    assert twice.pixels.sum() == 2
    assert twice.overall() == pytest.approx(once.overall())


def test_mean_leaves_out_unknown_figures():
    assert mean_figures([{"a": 1.0, "b": NAN}, {"a": 3.0}]) == pytest.approx({"a": 2.0, "b": NAN}, nan_ok=True)

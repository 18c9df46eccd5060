"""The cap is kept, and no more is held back than it asks for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffstereo_ros.ros.rate_cap import RateCap


@pytest.mark.parametrize(
    ("camera", "cap", "expected"), [(30, 20, 20), (30, 10, 10), (30, 30, 30), (30, 90, 30), (30, 0, 30)]
)
def test_what_passes_in_ten_seconds(camera: int, cap: float, expected: float) -> None:
    jitter = np.random.default_rng(0).uniform(-0.004, 0.004, 10 * camera)
    limit = RateCap(cap)
    passed = sum(limit.admits(number / camera + early) for number, early in enumerate(jitter))
    assert passed / 10 == pytest.approx(expected, rel=0.02)


def test_a_pause_is_not_made_up_for() -> None:
    limit = RateCap(1.0)
    assert limit.admits(0.0)
    assert limit.admits(100.0)
    assert not limit.admits(100.5)
    assert limit.admits(101.0)


def test_what_is_due_is_not_counted_until_it_passes() -> None:
    limit = RateCap(1.0)
    assert all(limit.due(0.0) for _ in range(3))
    assert limit.admits(0.0)
    assert not limit.due(0.9)
    assert limit.due(1.0)
    assert all(RateCap(0.0).due(now) for now in (0.0, 0.0, 1.0))


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60), st.floats(0.5, 20.0))
def test_never_more_than_the_cap_and_one(gaps: list[float], rate: float) -> None:
    limit, times = RateCap(rate), np.cumsum(gaps)
    passed = [now for now in times if limit.admits(now)]
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            # What is late by less than a period leaves the timetable as it is.
            assert last - first <= (passed[last] - passed[first]) * rate + 1 + 1e-6

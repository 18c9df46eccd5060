"""Counts of refinements and kinds of start take turns, and each count meets both kinds as often."""

from __future__ import annotations

from collections import Counter

import pytest

from ffstereo_ros.training.loop import _LOG_EVERY
from ffstereo_ros.training.turns import refinements, starts_near_truth


@pytest.mark.parametrize("most", range(1, 16))
def test_each_count_of_refinements_starts_near_the_truth_as_often(most: int) -> None:
    steps = range(5 * most * most)
    assert Counter(refinements(step, most) for step in steps) == dict.fromkeys(range(1, most + 1), 5 * most)
    warm = Counter(refinements(step, most) for step in steps if starts_near_truth(step))
    assert warm == dict.fromkeys(range(1, most + 1), 2 * most)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 6])
def test_counts_rise_by_one_a_step(most: int) -> None:
    assert [refinements(step, most) for step in range(100)] == [1 + step % most for step in range(100)]


def test_logged_steps_start_from_the_volume() -> None:
    logged = [0, *range(_LOG_EVERY - 1, 1000, _LOG_EVERY)]
    assert not any(starts_near_truth(step) for step in logged)

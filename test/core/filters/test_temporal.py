"""What stands still is calmed; what moves, jumps or is unknown starts anew."""

from __future__ import annotations

import numpy as np
import pytest

from ffstereo_ros.core.filters.temporal import TemporalFilter, TemporalSettings

NAN = np.nan
GREY = np.full((20, 20, 3), 100, np.uint8)


def _filter(weight: float = 0.5, max_change: float = 1.0) -> TemporalFilter:
    return TemporalFilter(TemporalSettings(weight, max_change))


def _map(value: float) -> np.ndarray:
    return np.full((20, 20), value, np.float32)


def test_the_mean_follows_by_its_weight() -> None:
    memory = _filter(weight=0.75)
    np.testing.assert_array_equal(memory.apply(_map(10.0), GREY), 10.0)
    np.testing.assert_array_equal(memory.apply(_map(10.8), GREY), np.float32(10.2))
    np.testing.assert_allclose(memory.apply(_map(10.2), GREY), 10.2, rtol=1e-6)


def test_noise_is_calmed() -> None:
    memory, rng = _filter(weight=0.8), np.random.default_rng(0)
    frames = [_map(10.0) + rng.normal(0, 0.1, (20, 20)).astype(np.float32) for _ in range(30)]
    calmed = [memory.apply(frame, GREY) for frame in frames][10:]
    # An exponential mean of weight w leaves sqrt((1 - w) / (1 + w)) of the noise: a third.
    assert np.std(calmed) == pytest.approx(0.1 / 3, rel=0.15)


def test_a_jump_of_the_disparity_starts_anew() -> None:
    memory = _filter(max_change=1.0)
    memory.apply(_map(10.0), GREY)
    np.testing.assert_array_equal(memory.apply(_map(11.1), GREY), np.float32(11.1))


def test_motion_in_the_image_starts_anew_where_it_is() -> None:
    memory = _filter()
    memory.apply(_map(10.0), GREY)
    moved = GREY.copy()
    moved[:8, :8] = 160
    answer = memory.apply(_map(10.5), moved)
    assert (answer[:6, :6] == 10.5).all()
    assert (answer[12:, 12:] == 10.25).all()


def test_a_camera_that_moves_starts_all_anew() -> None:
    memory = _filter()
    memory.apply(_map(10.0), GREY)
    moved = GREY.copy()
    moved[:, :8] = 160  # 40 % and a border: above the limit of 30 %
    np.testing.assert_array_equal(memory.apply(_map(10.5), moved), 10.5)


def test_unknown_stays_unknown_and_is_not_remembered() -> None:
    memory = _filter()
    memory.apply(_map(10.0), GREY)
    assert np.isnan(memory.apply(_map(NAN), GREY)).all()
    np.testing.assert_array_equal(memory.apply(_map(10.5), GREY), 10.5)


@pytest.mark.parametrize("forget", ["reset", "size"])
def test_the_past_is_forgotten(forget: str) -> None:
    memory = _filter()
    memory.apply(_map(10.0), GREY)
    if forget == "reset":
        memory.reset()
    else:
        memory.apply(np.full((20, 30), 10.0, np.float32), np.full((20, 30, 3), 100, np.uint8))
    np.testing.assert_array_equal(memory.apply(_map(10.5), GREY), 10.5)


def test_what_the_caller_does_to_the_answer_is_not_remembered() -> None:
    memory = _filter()
    memory.apply(_map(10.0), GREY)[:] = 0
    np.testing.assert_array_equal(memory.apply(_map(10.5), GREY), 10.25)

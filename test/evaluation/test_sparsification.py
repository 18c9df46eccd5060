from __future__ import annotations

import math

import numpy as np
import pytest

from ffstereo_ros.evaluation.sparsification import REMOVED, Sparsification, relative_curve


def frame(confidence_of_error, seed=1, size=20000):
    """A frame whose error is exponential and whose confidence follows from the error."""
    random = np.random.default_rng(seed)
    error = random.exponential(1.0, (1, size)).astype(np.float32)
    truth = np.full((1, size), 20, np.float32)
    return truth + error, truth, confidence_of_error(error, random).astype(np.float32)


def test_four_pixels_by_hand():
    # Errors 4, 2, 1, 1 with the most confident first: removing a half leaves 4 and 2, whose mean is 1.5 of all (2).
    error, confidence = np.array([4.0, 2.0, 1.0, 1.0]), np.array([0.9, 0.8, 0.2, 0.1])
    curve = relative_curve(error, confidence)
    assert curve[0] == 1.0
    assert curve[np.searchsorted(REMOVED, 0.5)] == pytest.approx(3.0 / 2.0)
    assert curve[-1] == pytest.approx(4.0 / 2.0)


def test_a_perfect_confidence_has_no_area_below_it():
    judged = Sparsification().add(*frame(lambda error, random: np.exp(-error)))
    assert judged.ause() == pytest.approx(0.0, abs=1e-9)


def test_a_confidence_that_knows_nothing_stays_at_one():
    judged = Sparsification().add(*frame(lambda error, random: random.random(error.shape)))
    np.testing.assert_allclose(judged.by_confidence[:40], 1.0, atol=0.06)  # worst 0.03 seen
    assert judged.ause() > 0.4


def test_errors_fall_into_bins_of_confidence():
    disparity = np.array([[10.0, 13.0, 10.0, np.nan]], np.float32)
    truth = np.full((1, 4), 10, np.float32)
    confidence = np.array([[0.95, 0.05, 1.0, 0.5]], np.float32)
    judged = Sparsification().add(disparity, truth, confidence)
    assert judged.pixels.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert judged.bad2.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert judged.error[0] == pytest.approx(3)


def test_without_answers_there_is_no_curve():
    nothing = np.full((2, 2), np.nan, np.float32)
    assert math.isnan(Sparsification().add(nothing, nothing, nothing).ause())

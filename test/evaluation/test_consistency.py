from __future__ import annotations

import math

import numpy as np
import pytest

from ffstereo_ros.evaluation.consistency import (
    FlickerMeter,
    coverage,
    left_right_agreement,
    plane_residual,
)


def test_coverage_is_the_share_of_answers():
    assert coverage(np.array([[1, np.nan], [0, np.nan]], np.float32)) == 50


def test_a_constant_shift_agrees_where_both_cameras_look():
    left = np.full((4, 40), 8, np.float32)
    assert left_right_agreement(left, left) == 100  # x < 8 leaves the right image and is not counted
    wrong = left.copy()
    wrong[:2] = 12
    assert left_right_agreement(left, wrong) == 50
    assert left_right_agreement(left, np.full_like(left, np.nan)) == 0  # silence confirms nothing
    assert math.isnan(left_right_agreement(np.full_like(left, np.nan), left))


def test_the_way_back_starts_at_the_match():
    # A step at x = 20 of the left image: 2 px before it, 10 px behind it. The right image sees it at x = 10.
    left = np.where(np.arange(40) < 20, 2, 10).astype(np.float32)[None].repeat(3, 0)
    right = np.where(np.arange(40) < 10, 2, 10).astype(np.float32)[None].repeat(3, 0)
    # Left x = 2..11 goes to 0..9 and comes back; 12..19 goes to 10..17, which belong to the near side: hidden there.
    # Left x = 20..39 goes to 10..29 and comes back.
    assert left_right_agreement(left, right) == pytest.approx(100 * 30 / 38)


def test_a_slanted_plane_is_flat_and_noise_is_measured():
    y, x = np.mgrid[:128, :160].astype(np.float32)
    plane = 20 + 0.1 * x - 0.05 * y
    assert plane_residual(plane) == pytest.approx(0, abs=1e-5)  # worst 1e-6 seen, float32 input
    noisy = plane + np.random.default_rng(4).normal(0, 0.2, plane.shape).astype(np.float32)
    assert plane_residual(noisy) == pytest.approx(0.2, rel=0.05)
    assert math.isnan(plane_residual(np.full((64, 64), np.nan, np.float32)))


def texture(seed=0, size=(120, 200)):
    """A smooth random photograph, uint8 ``[H, W, 3]``."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    return np.repeat(cv2.GaussianBlur(noise, (0, 0), 2)[..., None], 3, axis=2)


def test_a_still_camera_that_answers_the_same_does_not_flicker():
    meter, image, disparity = FlickerMeter(), texture(), np.full((120, 200), 9, np.float32)
    assert meter.add(image, disparity) is None
    flicker = meter.add(image, disparity)
    assert flicker.median_px == pytest.approx(0, abs=1e-4)
    assert flicker.jumps == 0


def test_noise_flickers_and_a_smooth_change_does_not():
    image, random = texture(), np.random.default_rng(1)
    meter, disparity = FlickerMeter(), np.full((120, 200), 9, np.float32)
    meter.add(image, disparity)
    nearer = meter.add(image, disparity + 0.5)  # the whole view comes closer: motion
    assert nearer.median_px < 0.01
    noisy = meter.add(image, disparity + 0.5 + random.normal(0, 1, disparity.shape).astype(np.float32))
    assert noisy.median_px == pytest.approx(0.67, abs=0.1)  # median of |N(0, 1)|
    assert noisy.jumps > 20


def test_the_disparity_is_carried_along_the_motion():
    x = np.arange(200) * np.ones((120, 1))
    image, disparity = texture(), np.where(x < 100, 5, 30).astype(np.float32)
    meter = FlickerMeter()
    meter.add(image, disparity)
    moved = meter.add(np.roll(image, 3, axis=1), np.roll(disparity, 3, axis=1))
    # Not carried along, the step at x = 100 would jump over 3 of 200 columns, 1.5 %.
    assert moved.jumps < 1.0

"""Metric depth: a slanted plane seen by a known pair gives that plane back, to a stated tolerance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.geometry import depth_from_disparity, points_from_depth
from ffstereo_ros.core.validity import keep, known_mask, mask_depth_range, seen_by_both
from ffstereo_ros.errors import ImageError

CAMERAS = st.builds(
    StereoCamera,
    width=st.integers(32, 90),
    height=st.integers(32, 60),
    f=st.floats(100, 2000),
    fy=st.floats(100, 2000),
    cx_left=st.floats(-50, 150),
    cx_right=st.floats(-50, 150),
    cy=st.floats(-20, 80),
    baseline=st.floats(0.02, 1.0),
)


def slanted_plane_depth(camera, distance, slope_x, slope_y):
    """Depth [H, W] m (float64) of the plane Z = distance + slope_x X + slope_y Y at every pixel."""
    x = (np.arange(camera.width) - camera.cx_left) / camera.f
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    return distance / (1 - slope_x * x[None, :] - slope_y * y[:, None])


@settings(max_examples=200, deadline=None)
@given(CAMERAS, st.floats(0.3, 50), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_slanted_plane_gives_its_depth_and_points(camera, distance, slope_x, slope_y):
    truth = slanted_plane_depth(camera, distance, slope_x, slope_y)
    visible = (truth > 0) & (truth < 1000)
    disparity = np.where(visible, camera.focal_baseline / truth - camera.cx_offset, np.nan)
    depth = depth_from_disparity(disparity.astype(np.float32), camera)
    # float32 rounds the disparity; the cancellation in d + (cx_right - cx_left) turns that into depth.
    rounding = 2.0**-23 * (np.abs(disparity) + abs(camera.cx_offset)) * truth**2 / camera.focal_baseline
    error = np.abs(depth - truth)
    assert (error <= rounding + 1e-6 * truth)[visible].all()
    points = points_from_depth(depth, camera)[visible]
    residual = points[:, 2] - (distance + slope_x * points[:, 0] + slope_y * points[:, 1])
    np.testing.assert_allclose(residual, 0, atol=float((rounding + 1e-5 * truth)[visible].max(initial=0)) * 4 + 1e-4)


def test_the_principal_point_term_is_in_the_depth():
    """Middlebury's definition, Z = f B / (d + doffs), with the calibration of its Motorcycle scene."""
    camera = StereoCamera(4, 1, 994.978, 994.978, 311.193, 342.279, 254.877, 0.193001)
    depth = depth_from_disparity(np.array([[40.0, 0.0, -31.086, np.nan]], np.float32), camera)
    assert depth[0, 0] == pytest.approx(994.978 * 0.193001 / (40 + 31.086), rel=1e-6)
    assert depth[0, 1] == pytest.approx(994.978 * 0.193001 / 31.086, rel=1e-5)
    assert np.isnan(depth[0, 2:]).all()


def test_zero_negative_and_unknown_disparities_have_no_depth():
    camera = StereoCamera(5, 1, 500, 500, 2, 2, 0, 0.1)
    disparity = np.array([[0.0, -0.0, -3.0, np.nan, 1e-44]], np.float32)
    assert np.isnan(depth_from_disparity(disparity, camera)).all()


def test_points_are_in_the_optical_frame():
    camera = StereoCamera(3, 3, 100, 200, 1, 1, 1, 0.1)
    points = points_from_depth(np.full((3, 3), 2.0, np.float32), camera)
    np.testing.assert_allclose(points[1, 1], [0, 0, 2])
    np.testing.assert_allclose(points[0, 2], [0.02, -0.01, 2])  # right is +x, up is -y (REP 103)


def test_refuses_another_size():
    camera = StereoCamera(3, 3, 100, 100, 1, 1, 1, 0.1)
    with pytest.raises(ImageError, match="4x3 px but the camera is 3x3"):
        depth_from_disparity(np.zeros((3, 4), np.float32), camera)


def test_masks():
    disparity = np.array([[-0.1, 0.0, 5.0, 65.5, 70.0, np.nan]], np.float32)
    np.testing.assert_array_equal(
        np.isnan(keep(disparity, known_mask(disparity, max_disparity=64))), [[True, False, False, True, True, True]]
    )
    assert seen_by_both(np.full((1, 4), 2.0, np.float32)).tolist() == [[False, False, True, True]]
    depth = mask_depth_range(np.array([[0.5, 1.0, np.nan, 9.0]], np.float32), min_depth=1, max_depth=8)
    np.testing.assert_array_equal(np.isnan(depth), [[True, False, True, True]])

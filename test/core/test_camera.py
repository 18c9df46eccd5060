"""StereoCamera: what the two P matrices say, and what is refused."""

import math

import numpy as np
import pytest

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import CalibrationError


def projection(f=500.0, cx=320.0, cy=240.0, tx=0.0, fy=None):
    return [f, 0, cx, tx, 0, fy or f, cy, 0, 0, 0, 1, 0]


def test_reads_focal_length_baseline_and_principal_point_offset():
    camera = StereoCamera.from_projections(projection(), projection(cx=352.8, tx=-50.0), 640, 480)
    assert camera.baseline == pytest.approx(0.1)
    assert camera.cx_offset == pytest.approx(32.8)
    assert camera.focal_baseline == pytest.approx(50.0)


def test_baseline_is_the_difference_of_both_translations():
    camera = StereoCamera.from_projections(projection(tx=20.0), projection(tx=-30.0), 640, 480)
    assert camera.baseline == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        (projection(), projection(), "baseline"),
        (projection(), projection(tx=50.0), "swapped"),
        (projection(f=0.0), projection(tx=-50.0), "f = 0"),
        (projection(f=math.nan), projection(tx=-50.0), "NaN"),
        (projection(), projection(tx=math.inf), "infinity"),
        (projection(), projection(f=510.0, tx=-50.0), "focal length f is 500 px left and 510 px right"),
        (projection(), projection(cy=250.0, tx=-50.0), "principal row"),
        (projection()[:9], projection(tx=-50.0), "9 values"),
        (projection(), projection(cx=3.4e38, tx=-50.0), r"cx_right = 3.4e\+38 px"),
        (projection(cx=-3.5e9), projection(tx=-50.0), r"cx_left = -3.5e\+09 px"),
    ],
)
def test_refuses_what_is_no_rectified_pair_and_names_it(left, right, said):
    with pytest.raises(CalibrationError, match=said):
        StereoCamera.from_projections(left, right, 640, 480)


@pytest.mark.parametrize("size", [(0, 480), (640, -1)])
def test_refuses_an_empty_image(size):
    with pytest.raises(CalibrationError, match="image size"):
        StereoCamera.from_projections(projection(), projection(tx=-50.0), *size)


def test_numpy_matrices_are_taken_as_they_come():
    P = np.reshape(projection(tx=-50.0), (3, 4))
    assert StereoCamera.from_projections(np.reshape(projection(), (3, 4)), P, 640, 480).f == 500.0

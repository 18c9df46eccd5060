"""A small pair whose truth is a slanted plane."""

from __future__ import annotations

import numpy as np
import pytest

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.demo.motorcycle import KnownPair


@pytest.fixture
def pair() -> KnownPair:
    """40x30 px, disparity 5 to 9 px."""
    camera = StereoCamera(40, 30, f=50.0, fy=50.0, cx_left=20.0, cx_right=22.0, cy=15.0, baseline=0.2)
    truth = np.broadcast_to(np.linspace(5, 9, 40, dtype=np.float32), (30, 40)).copy()
    grey = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    return KnownPair("a plane", grey, grey, truth, camera)

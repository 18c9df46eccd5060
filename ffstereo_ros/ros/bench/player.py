"""The camera of the benchmark: noise of any size, sent as the demo's player sends its pair."""

from __future__ import annotations

import sys

import numpy as np

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.demo.motorcycle import KnownPair
from ffstereo_ros.ros.player import main


def noise_pair(width: int, height: int) -> KnownPair:
    """Two unrelated rgb8 images: nobody looks at them."""
    left, right = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    camera = StereoCamera(width, height, 0.8 * width, 0.8 * width, width / 2, width / 2, height / 2, 0.1)
    return KnownPair("noise", left, right, np.full((height, width), np.nan, np.float32), camera)


if __name__ == "__main__":
    size = int(sys.argv[1]), int(sys.argv[2])
    sys.exit(main(load_pair=lambda: noise_pair(*size)))

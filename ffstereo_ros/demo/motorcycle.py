"""The pair that the demo plays: Middlebury 2014 Motorcycle at quarter size, as it comes with scikit-image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import MissingDependencyError

# From the documentation of skimage.data.stereo_motorcycle, for the images as they come: px, and m for the baseline.
_F = 994.978
_CX, _CY = 311.193, 254.877
_CX_OFFSET = 31.086
_BASELINE = 0.193001


@dataclass(frozen=True)
class KnownPair:
    """A rectified pair whose disparity is known.

    Attributes:
        name: for people.
        left, right: uint8 ``[H, W, 3]`` RGB.
        truth: float32 ``[H, W]`` px of the left image, NaN where nobody measured it.
        camera: the calibration of the pair.
    """

    name: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    truth: NDArray[np.float32]
    camera: StereoCamera


def load_motorcycle() -> KnownPair:
    """The pair with truth and calibration.

    Raises:
        MissingDependencyError: scikit-image is not installed.

    Source: Scharstein et al., High-resolution stereo datasets with subpixel-accurate ground truth, GCPR 2014.
    """
    try:
        from skimage.data import stereo_motorcycle
    except ImportError as error:
        raise MissingDependencyError(
            "scikit-image is not installed: pip install scikit-image; it brings the images of the demo. "
            "Without it, `ffstereo infer` takes images of your own"
        ) from error
    left, right, disparity = stereo_motorcycle()
    height, width = disparity.shape
    camera = StereoCamera(width, height, _F, _F, _CX, _CX + _CX_OFFSET, _CY, _BASELINE)
    truth = np.where(np.isfinite(disparity), disparity, np.nan).astype(np.float32)
    return KnownPair("Middlebury 2014 Motorcycle, quarter size", left, right, truth, camera)

"""Takes out points that hang in the air between a surface and what lies behind it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

# Networks upsample from a quarter of the size, so an edge is blurred over about four px: two to either side.
_RADIUS = 2


def mask_flying_pixels(disparity: Float32Array, *, threshold: float) -> Float32Array:
    """Disparity ``[H, W]`` px, unknown (NaN) where it lies in between two surfaces. A new array.

    A pixel flies where the 5x5 px around it hold both a disparity that is larger by more than ``threshold`` and one
    that is smaller by more than it. The pixels of the two surfaces have only one of the two, so a sharp edge loses
    nothing; a plane is kept up to a slope of ``threshold / 2`` px per px along either axis.

    Args:
        disparity: float32 ``[H, W]`` px, NaN = unknown; unknown neighbours say nothing.
        threshold: px, above 0.
    """
    kernel = np.ones((2 * _RADIUS + 1,) * 2, dtype=np.uint8)
    unknown = np.isnan(disparity)
    largest = cv2.dilate(np.where(unknown, np.float32(-np.inf), disparity), kernel)
    smallest = cv2.erode(np.where(unknown, np.float32(np.inf), disparity), kernel)
    with np.errstate(invalid="ignore"):
        flies = (largest - disparity > threshold) & (disparity - smallest > threshold)
    return np.where(flies, np.float32(np.nan), disparity)

"""Takes out small islands that share their disparity with nothing around them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

# OpenCV counts in int16: sixteenths of a px, or coarser where the disparities are too large for that.
_FINEST = 16.0
_LARGEST = 32000.0
_UNKNOWN = -32768


def mask_speckles(disparity: Float32Array, *, max_size: int, max_difference: float) -> Float32Array:
    """Disparity ``[H, W]`` px, islands of at most ``max_size`` pixels unknown (NaN). A new array.

    An island is connected by neighbours (up, down, left, right) that differ by at most ``max_difference``.

    Args:
        disparity: float32 ``[H, W]`` px, NaN = unknown.
        max_size: pixels.
        max_difference: px.
    """
    largest = float(np.fmax.reduce(np.abs(disparity), axis=None, initial=1.0))
    steps = min(_FINEST, _LARGEST / largest)
    known = np.isfinite(disparity)
    fixed = np.where(known, np.rint(np.where(known, disparity, 0) * steps), _UNKNOWN).astype(np.int16)
    cv2.filterSpeckles(fixed, _UNKNOWN, max_size, max_difference * steps)
    return np.where(fixed == _UNKNOWN, np.float32(np.nan), disparity)

"""What moved between two images of one camera."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Uint8Image = NDArray[np.uint8]

# Grey levels, after a 5x5 mean that takes the camera's noise down to a fifth: a change beyond this is motion.
_MOTION_GREY = 6.0
_MEAN_SIDE = 5


def smoothed_grey(image: Uint8Image) -> Float32Array:
    """``[H, W, 3]`` RGB as grey levels ``[H, W]`` without most of the noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.blur(grey, (_MEAN_SIDE, _MEAN_SIDE)), dtype=np.float32)


def stands_still(grey: Float32Array, last: Float32Array) -> BoolArray:
    """True where two smoothed images ``[H, W]`` show the same."""
    return np.asarray(np.abs(grey - last) <= _MOTION_GREY)

"""Takes out what the right camera does not see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.validity import seen_by_both

Float32Array = NDArray[np.float32]


def mask_left_band(disparity: Float32Array) -> Float32Array:
    """Disparity ``[H, W]`` px, unknown (NaN) where its match would lie left of the right image. A new array.

    There the backend has guessed from the neighbourhood: nothing was matched.
    """
    return np.where(seen_by_both(disparity), disparity, np.float32(np.nan))

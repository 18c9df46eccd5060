"""Takes out what the right view does not confirm: occlusions and wrong matches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.matcher import StereoMatcher

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Uint8Image = NDArray[np.uint8]

# From a pair to the disparity of the right image; costs a second inference.
MatchRight = Callable[[], Float32Array]


def match_right(matcher: StereoMatcher, left: Uint8Image, right: Uint8Image) -> Float32Array:
    """Disparity ``[H, W]`` px of the right image: both images are mirrored and change places.

    Args:
        left, right: uint8 ``[H, W, 3]`` RGB.

    Raises:
        ImageError, BackendError: as ``StereoMatcher.match``.
    """
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in (right, left)]
    return matcher.match(mirrored[0], mirrored[1]).disparity[:, ::-1]


def mask_inconsistent(left: Float32Array, right: Float32Array, *, tolerance: float) -> Float32Array:
    """The left disparity, unknown (NaN) where the way to the right image and back ends elsewhere. A new array.

    A pixel stays if the right disparity at its match ``x - d`` differs by at most ``tolerance`` px. What matches
    outside the right image, or an unknown pixel of it, is not confirmed.

    Args:
        left, right: float32 ``[H, W]`` px of either image, NaN = unknown.
        tolerance: px.

    Source: Egnal and Wildes, Detecting binocular half-occlusions, PAMI 2002 (left-right checking).
    """
    rows, columns = np.arange(left.shape[0])[:, None], np.arange(left.shape[1])[None, :]
    with np.errstate(invalid="ignore"):
        target = np.rint(columns - left)
        inside = (target >= 0) & (target < left.shape[1])
        back = right[rows, np.where(inside, target, 0).astype(np.intp)]
        confirmed = inside & (np.abs(left - back) <= tolerance)
    return np.where(confirmed, left, np.float32(np.nan))

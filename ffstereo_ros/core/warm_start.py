"""The last frame's answer as the start of the next, while the scene stands still."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.core.motion import smoothed_grey, stands_still

Float32Array = NDArray[np.float32]
Uint8Image = NDArray[np.uint8]

# Above this share of the image in motion the last answer belongs to another view.
_MAX_MOVING = 0.1

# Around what moved, px: what has no texture of its own shows motion at its edges alone.
_MARGIN = 8


class WarmStart:
    """Matches frame after frame of one camera, each from the last where little moved.

    What moved starts from its own matching: refinement looks 16 to 32 px far and would take many frames to bring what
    has just come near from the disparity of what it hides.

    It pays only for networks whose refinement comes to rest: one that moves on with every iteration moves away with
    every frame.
    """

    def __init__(self) -> None:
        self._grey: Float32Array | None = None
        self._disparity: Float32Array | None = None

    def reset(self) -> None:
        """Forgets the last frame."""
        self._grey = self._disparity = None

    def match(self, matcher: StereoMatcher, left: Uint8Image, right: Uint8Image) -> StereoResult:
        """As ``StereoMatcher.match``; a frame that fails is followed by one that starts anew."""
        start = self._start(left)
        self._disparity = None
        result = matcher.match(left, right, initial_disparity=start)
        self._disparity = result.raw_disparity
        return result

    def _start(self, left: Uint8Image) -> Float32Array | None:
        grey = smoothed_grey(left)
        last, self._grey = self._grey, grey
        if last is None or self._disparity is None or last.shape != grey.shape:
            return None
        moved = ~stands_still(grey, last)
        if moved.mean() > _MAX_MOVING:
            return None
        around = cv2.dilate(moved.astype(np.uint8), np.ones((2 * _MARGIN + 1,) * 2, np.uint8))
        return np.where(around, np.float32(np.nan), self._disparity)

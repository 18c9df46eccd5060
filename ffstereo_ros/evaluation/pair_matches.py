"""Features seen by both cameras, matched without assuming that the pair is rectified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Uint8Image = NDArray[np.uint8]
Array = NDArray[np.float64]

# Lowe's ratio test (IJCV 2004), both ways round.
_RATIO = 0.8
_FEATURES = 4000


@dataclass(frozen=True)
class PairMatches:
    """Matched points of one or several frames of a pair, px; index n is the same point in both images.

    Attributes:
        left, right: ``[N, 2]`` x and y.
        grey_left, grey_right: ``[N]`` mean grey values around the points.
    """

    left: Array
    right: Array
    grey_left: Array
    grey_right: Array

    def __len__(self) -> int:
        return len(self.left)

    @property
    def row_offset(self) -> Array:
        """``[N]`` px by which a point lies lower in the right image."""
        return np.asarray(self.right[:, 1] - self.left[:, 1])

    @property
    def disparity(self) -> Array:
        """``[N]`` px by which a point lies further left in the right image."""
        return np.asarray(self.left[:, 0] - self.right[:, 0])

    def kept(self, mask: NDArray[np.bool_]) -> PairMatches:
        """Only the points under the mask ``[N]``."""
        return PairMatches(self.left[mask], self.right[mask], self.grey_left[mask], self.grey_right[mask])


def join(parts: list[PairMatches]) -> PairMatches:
    """The matches of several frames together."""
    if not parts:
        return PairMatches(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0))
    names = ("left", "right", "grey_left", "grey_right")
    return PairMatches(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def match_features(left: Uint8Image, right: Uint8Image) -> PairMatches:
    """SIFT matches that are each other's best, of two uint8 ``[H, W, 3]`` RGB images.

    Contrast is evened out first (CLAHE), so that dark and badly exposed pairs are matched too.
    """
    greys = [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8) for image in (left, right)]
    even = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8))
    sift = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=0.02)
    (points_left, words_left), (points_right, words_right) = (
        sift.detectAndCompute(even.apply(grey), None) for grey in greys
    )
    if words_left is None or words_right is None or len(words_left) < 2 or len(words_right) < 2:
        return join([])
    forward, backward = _best(words_left, words_right), _best(words_right, words_left)
    mutual = [(a, b) for a, b in forward.items() if backward.get(b) == a]
    xy_left = np.array([points_left[a].pt for a, _ in mutual], dtype=np.float64).reshape(-1, 2)
    xy_right = np.array([points_right[b].pt for _, b in mutual], dtype=np.float64).reshape(-1, 2)
    return PairMatches(xy_left, xy_right, _grey_at(greys[0], xy_left), _grey_at(greys[1], xy_right))


def _best(words: NDArray[Any], others: NDArray[Any]) -> dict[int, int]:
    found = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words, others, k=2)
    return {first.queryIdx: first.trainIdx for first, second in found if first.distance < _RATIO * second.distance}


def _grey_at(grey: Uint8Image, points: Array) -> Array:
    """Mean over 9x9 px around each point ``[N]``: single pixels would compare noise."""
    smooth = cv2.blur(grey, (9, 9))
    x = np.clip(np.rint(points[:, 0]), 0, grey.shape[1] - 1).astype(np.intp)
    y = np.clip(np.rint(points[:, 1]), 0, grey.shape[0] - 1).astype(np.intp)
    return np.asarray(smooth[y, x], dtype=np.float64)

"""Calms the flicker of what stands still, and forgets at once what moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.motion import smoothed_grey, stands_still

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Uint8Image = NDArray[np.uint8]


@dataclass(frozen=True)
class TemporalSettings:
    """How much is remembered.

    Attributes:
        weight: share of the history in the new value, 0 (none) up to 1 (excluded).
        max_change: a disparity that changes by more than this starts anew, px.
        max_motion: with a larger share of the image in motion, the camera itself moves and all of it starts anew, 0..1.
    """

    weight: float = 0.6
    max_change: float = 1.0
    max_motion: float = 0.3


class TemporalFilter:
    """An exponential mean over time of each pixel that neither looks nor measures differently.

    A pixel starts anew where the image changed, where its disparity jumped, and where it was unknown. Unknown stays
    unknown: nothing is filled from the past. Holds one frame; one filter serves one camera.
    """

    def __init__(self, settings: TemporalSettings) -> None:
        self.settings = settings
        self._mean: Float32Array | None = None
        self._grey: Float32Array | None = None

    def reset(self) -> None:
        """Forgets the past: another camera, or a gap in time."""
        self._mean = self._grey = None

    def apply(self, disparity: Float32Array, left: Uint8Image) -> Float32Array:
        """The calmed disparity ``[H, W]`` px, a new array.

        Args:
            disparity: float32 ``[H, W]`` px, NaN = unknown.
            left: uint8 ``[H, W, 3]`` RGB, the image it belongs to.
        """
        grey = smoothed_grey(left)
        last_mean, last_grey = self._mean, self._grey
        mean = disparity.copy()
        if last_mean is not None and last_grey is not None and last_mean.shape == disparity.shape:
            steady = self._steady(disparity, last_mean, grey, last_grey)
            weight = np.float32(self.settings.weight)
            mean[steady] = weight * last_mean[steady] + (1 - weight) * disparity[steady]
        self._mean, self._grey = mean, grey
        return mean.copy()

    def _steady(
        self, disparity: Float32Array, last: Float32Array, grey: Float32Array, last_grey: Float32Array
    ) -> BoolArray:
        still = stands_still(grey, last_grey)
        if 1.0 - float(still.mean()) > self.settings.max_motion:
            return np.zeros_like(still)
        with np.errstate(invalid="ignore"):
            return np.asarray(still & (np.abs(disparity - last) <= self.settings.max_change))

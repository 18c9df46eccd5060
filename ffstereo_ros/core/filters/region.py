"""Takes out what lies outside the part of the image that matters: a robot's own body, say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """A rectangle, as sensor_msgs/RegionOfInterest: px of the left image; a width or height of 0 ends at the border."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0

    @property
    def is_whole_image(self) -> bool:
        """True where nothing is left out, whatever the image's size."""
        return self == Region()

    def misses(self, width: int, height: int) -> bool:
        """True where nothing of an image of ``width`` x ``height`` px lies inside."""
        return self.x >= width or self.y >= height


def mask_outside(disparity: Float32Array, region: Region) -> Float32Array:
    """Disparity ``[H, W]`` px, unknown (NaN) outside the region. A new array.

    A region that ends beyond the image is cut off there; one that begins beyond it leaves nothing.
    """
    rows = slice(region.y, region.y + region.height if region.height else None)
    columns = slice(region.x, region.x + region.width if region.width else None)
    kept = np.full_like(disparity, np.nan)
    kept[rows, columns] = disparity[rows, columns]
    return kept

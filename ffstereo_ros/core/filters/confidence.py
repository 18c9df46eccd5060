"""Takes out what the backend itself is not sure of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


def mask_low_confidence(disparity: Float32Array, confidence: Float32Array, *, threshold: float) -> Float32Array:
    """Disparity ``[H, W]`` px, unknown (NaN) where the confidence ``[H, W]`` lies below the threshold. A new array.

    Args:
        threshold: 0..1; a confidence of exactly this is kept.
    """
    return np.where(confidence >= np.float32(threshold), disparity, np.float32(np.nan))

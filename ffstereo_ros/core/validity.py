"""The one rule for unknown values: NaN. Every mask of the package is applied here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]


def mask_unknown(disparity: Float32Array, *, max_disparity: float) -> Float32Array:
    """Replaces what cannot be a disparity by NaN.

    A rectified pair sees nothing at a negative disparity, and no backend can have looked beyond its own maximum by
    more than interpolation. Zero stays: it is a point at infinity where both cameras share their principal column,
    and a finite one where they do not.

    Args:
        disparity: float32 ``[H, W]`` px of the left image, NaN = unknown.
        max_disparity: largest disparity searched, px of the left image.

    Returns:
        float32 ``[H, W]`` px, a new array.
    """
    with np.errstate(invalid="ignore"):
        known = (disparity >= 0) & (disparity <= max_disparity + 1.0)
    return np.where(known, disparity, np.float32(np.nan))


def seen_by_both(disparity: Float32Array) -> NDArray[np.bool_]:
    """True where the matching point lies inside the right image, ``x - d >= 0``.

    Elsewhere (the left band) a network extrapolates and SGBM has matched its padding; the answer may still be good,
    so nothing is masked by default.

    Args:
        disparity: float32 ``[H, W]`` px, NaN = unknown.
    """
    columns = np.arange(disparity.shape[1], dtype=np.float32)
    with np.errstate(invalid="ignore"):
        return np.asarray(columns[None, :] - disparity >= 0)


def mask_depth_range(depth: Float32Array, *, min_depth: float, max_depth: float) -> Float32Array:
    """Depth ``[H, W]`` m with everything outside ``[min_depth, max_depth]`` m unknown. A new array."""
    with np.errstate(invalid="ignore"):
        inside = (depth >= min_depth) & (depth <= max_depth)
    return np.where(inside, depth, np.float32(np.nan))

"""The one rule for unknown values: NaN. Every mask of the package is applied here."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Mask = NDArray[np.uint8]


def known_mask(disparity: Float32Array, *, max_disparity: float) -> Mask | None:
    """Where an answer can be a disparity.

    A rectified pair sees nothing at a negative disparity, and no backend can have looked beyond its own maximum by
    more than interpolation. Zero stays: it is a point at infinity where both cameras share their principal column,
    and a finite one where they do not.

    Args:
        disparity: float32 ``[H, W]`` px of the left image, NaN = unknown.
        max_disparity: largest disparity searched, px of the left image.

    Returns:
        uint8 ``[H, W]``, 255 = known, 0 = unknown; None = known everywhere, for which there is nothing to do.
    """
    return _inside(disparity, *known_range(max_disparity))


def known_range(max_disparity: float) -> tuple[float, float]:
    """Lowest and highest answer, px, that can be a disparity where at most ``max_disparity`` px were searched."""
    return 0.0, max_disparity + 1.0


def keep(values: Float32Array, known: Mask, *, otherwise: float = math.nan) -> Float32Array:
    """Values ``[H, W]`` where they are known, ``otherwise`` elsewhere. A new array."""
    return np.asarray(cv2.copyTo(values, known, np.full(values.shape, otherwise, np.float32)), dtype=np.float32)


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
    """Depth ``[H, W]`` m, changed in place: everything outside ``[min_depth, max_depth]`` m is unknown."""
    known = _inside(depth, min_depth, max_depth)
    if known is not None:
        depth[known == 0] = np.nan
    return depth


def _inside(values: Float32Array, low: float, high: float) -> Mask | None:
    """255 where ``[H, W]`` values are in ``[low, high]``, 0 elsewhere and for NaN; None = all are."""
    inside = np.asarray(cv2.inRange(values, low, high), dtype=np.uint8)
    return None if cv2.countNonZero(inside) == inside.size else inside

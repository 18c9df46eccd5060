"""What can be said about a disparity without a truth: does it agree with itself?

None of these figures is an error: a wrong answer can be consistent. They find what is surely wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Uint8Image = NDArray[np.uint8]

# A match is confirmed if the way back ends within one px of where it began (Egnal and Wildes, PAMI 2002).
_AGREEMENT = 1.0
# Side of the blocks a plane is fitted to, px: small against rooms, large against matching windows.
_BLOCK = 32
# Neighbourhood in which a true change of depth is smooth, px, and grey levels a tracked pixel may change by.
_SMOOTH, _SAME_GREY = 31, 8.0


def coverage(disparity: Float32Array) -> float:
    """Share of answered pixels in %, of all pixels ``[H, W]``."""
    return 100.0 * float(np.isfinite(disparity).mean())


def left_right_agreement(left: Float32Array, right: Float32Array) -> float:
    """Share in % of answered left pixels whose match in the right image points back within 1 px.

    Counted are pixels ``[H, W]`` whose match ``x - d`` lies inside the right image. An unknown match confirms nothing
    and counts as disagreement, occlusions do as well: even a perfect disparity stays below 100 %.
    """
    columns = np.arange(left.shape[1], dtype=np.float32)
    with np.errstate(invalid="ignore"):
        target = columns[None, :] - left
        inside = target >= -0.5
    rows, source = np.nonzero(inside)
    if rows.size == 0:
        return float("nan")
    back = right[rows, np.clip(np.rint(target[rows, source]), 0, left.shape[1] - 1).astype(np.intp)]
    with np.errstate(invalid="ignore"):
        return 100.0 * float((np.abs(left[rows, source] - back) <= _AGREEMENT).mean())


def plane_residual(disparity: Float32Array) -> float:
    """How rough smooth surfaces come out, px: RMS distance from the best plane, at the flattest quarter of all blocks.

    A plane in space is a plane in disparity, ``d = a x + b y + c`` (f B / Z is linear in pixels), so a block of
    32x32 px that shows one flat surface has the residual of the matcher's noise alone. Which blocks are flat is not
    known; the 25th percentile over the fully answered blocks stands for them. NaN without such a block.
    """
    rows, columns = (length // _BLOCK for length in disparity.shape)
    cut = disparity[: rows * _BLOCK, : columns * _BLOCK].astype(np.float64)
    blocks = cut.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2).reshape(-1, _BLOCK * _BLOCK)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    if blocks.size == 0:
        return float("nan")
    y, x = np.mgrid[:_BLOCK, :_BLOCK].reshape(2, -1)
    plane = np.stack((x, y, np.ones_like(x)), axis=1).astype(np.float64)
    residual = blocks - (blocks @ np.linalg.pinv(plane).T) @ plane.T
    return float(np.percentile(np.sqrt((residual**2).mean(axis=1)), 25))


@dataclass(frozen=True)
class Flicker:
    """Change of disparity between two frames that no motion explains.

    Attributes:
        median_px: median of its size, px.
        jumps: share of tracked pixels that change by more than 1 px, %.
    """

    median_px: float
    jumps: float


class FlickerMeter:
    """Compares each frame with the one before it; holds one frame.

    The last disparity is carried along the optical flow (DIS, Kroeger et al., ECCV 2016) to the present frame. What
    the camera's or an object's motion in depth adds is smooth, so the mean change in a 31x31 px neighbourhood is taken
    off; the rest is flicker. Pixels whose grey value changed by more than 8 along the flow are not tracked.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._grey: Uint8Image | None = None
        self._disparity: Float32Array | None = None

    def add(self, left: Uint8Image, disparity: Float32Array) -> Flicker | None:
        """Flicker against the last frame; None for the first, or where nothing could be tracked.

        Args:
            left: uint8 ``[H, W, 3]`` RGB.
            disparity: float32 ``[H, W]`` px, NaN = unknown.
        """
        grey = np.asarray(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        last_grey, last_disparity = self._grey, self._disparity
        self._grey, self._disparity = grey, disparity
        if last_grey is None or last_disparity is None or last_grey.shape != grey.shape:
            return None
        return _flicker(disparity, *self._carry(grey, last_grey, last_disparity))

    def _carry(
        self, grey: Uint8Image, last_grey: Uint8Image, last_disparity: Float32Array
    ) -> tuple[Float32Array, NDArray[np.bool_]]:
        """The last disparity on the present pixels ``[H, W]``, and where the tracking holds."""
        flow = self._flow.calc(grey, last_grey, None)  # type: ignore[call-overload]
        y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
        u, v = x + flow[..., 0], y + flow[..., 1]
        border = cv2.BORDER_CONSTANT
        disparity = cv2.remap(last_disparity, u, v, cv2.INTER_NEAREST, borderMode=border, borderValue=(np.nan,))
        moved = cv2.remap(last_grey, u, v, cv2.INTER_LINEAR, borderMode=border, borderValue=(0,))
        inside = (u >= 0) & (v >= 0) & (u <= grey.shape[1] - 1) & (v <= grey.shape[0] - 1)
        same = np.abs(grey.astype(np.float32) - moved.astype(np.float32)) <= _SAME_GREY
        return np.asarray(disparity, dtype=np.float32), inside & same


def _flicker(disparity: Float32Array, carried: Float32Array, tracked: NDArray[np.bool_]) -> Flicker | None:
    change = disparity - carried
    known = tracked & np.isfinite(change)
    if not known.any():
        return None
    # One jump of a whole object must not pass as smooth motion of its neighbourhood: the mean is taken over bounded
    # changes.
    bounded = np.where(known, np.clip(change, -3.0, 3.0), np.float32(0)).astype(np.float32)
    total = cv2.boxFilter(bounded, -1, (_SMOOTH, _SMOOTH), normalize=False)
    count = cv2.boxFilter(known.astype(np.float32), -1, (_SMOOTH, _SMOOTH), normalize=False)
    rest = np.abs(change - total / np.maximum(count, 1))[known]
    return Flicker(float(np.median(rest)), 100.0 * float((rest > 1.0).mean()))

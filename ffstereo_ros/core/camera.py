"""The geometry of a rectified stereo pair, read from the two projection matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffstereo_ros.errors import CalibrationError

# Rectified cameras share one focal length and one row; drivers round P to a few digits, hence not exact equality.
_RELATIVE_TOLERANCE = 1e-3

# Farther off, a principal point is no calibration's, and float32 cannot hold a disparity beside it.
_FARTHEST_CENTRE = 1e6


@dataclass(frozen=True)
class StereoCamera:
    """A rectified pair. The left camera is the reference: disparity, depth and points are given in its frame.

    Attributes:
        width, height: image size of the left camera, px.
        f, fy: horizontal and vertical focal length of both rectified cameras, px.
        cx_left, cx_right, cy: principal points, px.
        baseline: distance between the optical centres, m, always positive.
    """

    width: int
    height: int
    f: float
    fy: float
    cx_left: float
    cx_right: float
    cy: float
    baseline: float

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise CalibrationError(f"image size {self.width}x{self.height} px: both must be at least 1")
        values = (self.f, self.fy, self.cx_left, self.cx_right, self.cy, self.baseline)
        if not np.isfinite(values).all():
            raise CalibrationError(f"calibration holds values that are not finite: {self}; recalibrate the pair")
        if self.f <= 0 or self.fy <= 0:
            raise CalibrationError(
                f"focal length f = {self.f:g}, fy = {self.fy:g} px: both must be above 0; is the camera calibrated?"
            )
        for name in ("cx_left", "cx_right", "cy"):
            if abs(getattr(self, name)) > _FARTHEST_CENTRE:
                raise CalibrationError(
                    f"{name} = {getattr(self, name):g} px: a principal point lies within {_FARTHEST_CENTRE:g} px of "
                    "the image's corner; recalibrate the pair"
                )
        if self.baseline <= 0:
            raise CalibrationError(
                f"baseline = {self.baseline:g} m: must be above 0; P_right[0, 3] must be -f * baseline (REP 104). "
                "Are left and right swapped, or is P_right missing its translation?"
            )

    @property
    def cx_offset(self) -> float:
        """``cx_right - cx_left``, px: added to a disparity before it is turned into depth."""
        return self.cx_right - self.cx_left

    @property
    def focal_baseline(self) -> float:
        """``f * B``, px m: the numerator of depth = f * B / (d + cx_right - cx_left)."""
        return self.f * self.baseline

    @classmethod
    def from_projections(cls, P_left: ArrayLike, P_right: ArrayLike, width: int, height: int) -> StereoCamera:
        """Builds the camera from both projection matrices.

        Args:
            P_left, P_right: ``[12]`` or ``[3, 4]``, row-major, as ``P`` of ``sensor_msgs/CameraInfo``; px and px m.
            width, height: size of the left image, px.

        Raises:
            CalibrationError: not finite, f = 0, rows that differ, or a baseline of zero or of the wrong sign.

        Source: REP 104 and sensor_msgs/CameraInfo: ``P[0, 3] = Tx = -f * B`` of a camera B to the right.
        """
        left, right = _projection(P_left, "left"), _projection(P_right, "right")
        f, fy = float(left[0, 0]), float(left[1, 1])
        if f <= 0 or fy <= 0:
            raise CalibrationError(f"P_left has f = {f:g}, fy = {fy:g} px: both must be above 0; calibrate the cameras")
        _require_same("focal length f", f, float(right[0, 0]), f)
        _require_same("focal length fy", fy, float(right[1, 1]), fy)
        # One pixel of row offset would be a wrong rectification; it is measured against the focal length.
        _require_same("principal row cy", float(left[1, 2]), float(right[1, 2]), f)
        return cls(
            width=int(width),
            height=int(height),
            f=f,
            fy=fy,
            cx_left=float(left[0, 2]),
            cx_right=float(right[0, 2]),
            cy=float(left[1, 2]),
            baseline=float(left[0, 3] - right[0, 3]) / f,
        )


def _projection(P: ArrayLike, side: str) -> NDArray[np.float64]:
    matrix = np.asarray(P, dtype=np.float64)
    if matrix.size != 12:
        raise CalibrationError(f"P_{side} has {matrix.size} values: a projection matrix has 12 (3 rows of 4)")
    if not np.isfinite(matrix).all():
        raise CalibrationError(f"P_{side} holds NaN or infinity: {matrix.ravel().tolist()}; recalibrate the cameras")
    return matrix.reshape(3, 4)


def _require_same(name: str, left: float, right: float, scale: float) -> None:
    if abs(left - right) > _RELATIVE_TOLERANCE * abs(scale):
        raise CalibrationError(
            f"{name} is {left:g} px left and {right:g} px right: rectified cameras share it; "
            "use the P of the rectified pair (image_rect), not the K of the raw cameras"
        )

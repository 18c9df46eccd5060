"""From the user's pixels to the model's and back: the only place that scales, pads and undoes both.

Pixel centres lie at integer coordinates in the user's image and in the model's; a model pixel u is the point
``x = (u - pad_left + 0.5) / scale - 0.5`` of the user's image. Both axes carry exactly the same scale (the image is
padded, never stretched), and left and right share one grid, so a disparity of d px is one of ``scale * d`` model px.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import ImageError, ParameterError

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

SCALE_RANGE = (0.125, 4.0)

# Two answers further apart than this (model px) belong to two surfaces: the nearer sample is taken instead of a blend,
# which would hang in the air between them. A plane interpolates exactly up to a slope of 2 px of disparity per px.
BLEND_LIMIT = 1.0


@dataclass(frozen=True)
class FrameGeometry:
    """Where the user's image lies in the model's.

    Attributes:
        height, width: size of the user's image, px.
        scale: model px per user px, the same on both axes.
        pad_top, pad_bottom, pad_left, pad_right: replicated border around the scaled image, model px.
    """

    height: int
    width: int
    scale: float
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int

    @property
    def scaled_height(self) -> int:
        """Rows of the scaled image before padding, model px."""
        return scaled_length(self.height, self.scale)

    @property
    def scaled_width(self) -> int:
        """Columns of the scaled image before padding, model px."""
        return scaled_length(self.width, self.scale)

    @property
    def model_shape(self) -> tuple[int, int]:
        """``(rows, columns)`` of what the backend eats, model px."""
        return (
            self.scaled_height + self.pad_top + self.pad_bottom,
            self.scaled_width + self.pad_left + self.pad_right,
        )

    @property
    def inside(self) -> tuple[slice, slice]:
        """At scale 1: the user's rows and columns in the model's image."""
        return (
            slice(self.pad_top, self.pad_top + self.height),
            slice(self.pad_left, self.pad_left + self.width),
        )

    @property
    def is_identity(self) -> bool:
        """True where the model sees the user's pixels as they are."""
        return self.scale == 1.0 and self.model_shape == (self.height, self.width)


@dataclass(frozen=True)
class AxisTaps:
    """Where the user's pixels along one axis lie between the model's.

    Attributes:
        lower, upper: ``[N]`` indices of both neighbours.
        weight: float32 ``[N]``, that of the upper one, 0..1.
        nearest: ``[N]`` index of the nearer one.
    """

    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    weight: Float32Array
    nearest: NDArray[np.intp]


@dataclass(frozen=True)
class PreparedPair:
    """What a backend eats (two uint8 ``[h, w, 3]`` RGB images at model size) and how to come back."""

    left: Uint8Image
    right: Uint8Image
    geometry: FrameGeometry


def scaled_length(length: int, scale: float) -> int:
    """Model px needed to cover ``length`` user px."""
    return max(1, math.ceil(length * scale - 1e-9))


def plan_frame(height: int, width: int, *, scale: float = 1.0, multiple: int = 1) -> FrameGeometry:
    """Chooses the padding that makes both sides of the scaled image a multiple of ``multiple``, centred.

    Below scale 1 the border pixels of the user's image lie up to half a model px outside the scaled image, so there
    at least one padded pixel stands on every side.

    Raises:
        ParameterError: scale or multiple out of range.
    """
    low, high = SCALE_RANGE
    if not (math.isfinite(scale) and low <= scale <= high):
        raise ParameterError(f"scale = {scale:g}: allowed is {low:g} to {high:g} (1 = the camera's own size)")
    if multiple < 1:
        raise ParameterError(f"multiple = {multiple} px: must be at least 1")
    margin = 1 if scale < 1.0 else 0
    top, bottom = _pads(scaled_length(height, scale), multiple, margin)
    left, right = _pads(scaled_length(width, scale), multiple, margin)
    return FrameGeometry(height, width, float(scale), top, bottom, left, right)


def prepare_pair(left: Uint8Image, right: Uint8Image, *, scale: float = 1.0, multiple: int = 1) -> PreparedPair:
    """Scales and pads both images for a backend. Without either, the arrays are passed through uncopied.

    Args:
        left, right: uint8 ``[H, W, 3]`` RGB, rectified, of one size; views with any row pitch are fine.
        scale: model px per user px, 0.125 to 4.
        multiple: both sides of the result are multiples of this, px.

    Raises:
        ImageError: not uint8 ``[H, W, 3]``, or two sizes.
        ParameterError: scale or multiple out of range.
    """
    for side, image in (("left", left), ("right", right)):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ImageError(f"{side} image is {image.dtype} {list(image.shape)}: expected uint8 [H, W, 3] RGB")
    if left.shape != right.shape:
        raise ImageError(
            f"left image is {left.shape[1]}x{left.shape[0]} px and right {right.shape[1]}x{right.shape[0]} px: "
            "a rectified pair has one size"
        )
    geometry = plan_frame(left.shape[0], left.shape[1], scale=scale, multiple=multiple)
    return PreparedPair(to_model(left, geometry), to_model(right, geometry), geometry)


def to_model(image: Uint8Image, geometry: FrameGeometry) -> Uint8Image:
    """One image ``[H, W, 3]`` on the model's grid, ``[h, w, 3]``."""
    if geometry.is_identity:
        return image
    scaled = _rescale(image, geometry)
    pads = (geometry.pad_top, geometry.pad_bottom, geometry.pad_left, geometry.pad_right)
    return np.asarray(cv2.copyMakeBorder(scaled, *pads, cv2.BORDER_REPLICATE), dtype=np.uint8)


def restore_disparity(disparity: Float32Array, geometry: FrameGeometry) -> Float32Array:
    """The backend's disparity on the user's pixels, in px of the user's image.

    Args:
        disparity: float32 ``[h, w]`` model px, NaN = unknown.

    Returns:
        float32 ``[H, W]`` px, at scale 1 a view; NaN stays NaN and does not spread to its neighbours.
    """
    restored = restore_map(disparity, geometry)
    return restored if geometry.scale == 1.0 else restored / np.float32(geometry.scale)


def restore_map(values: Float32Array, geometry: FrameGeometry) -> Float32Array:
    """Any per-pixel map of the model (a confidence, say) on the user's pixels, values unchanged; at scale 1 a view."""
    require_model_shape(values.shape, geometry)
    if geometry.scale == 1.0:
        return values[geometry.inside].astype(np.float32, copy=False)
    return _sample(np.ascontiguousarray(values, np.float32), geometry)


def require_model_shape(shape: tuple[int, ...], geometry: FrameGeometry) -> None:
    """Raises `ImageError` where an answer does not have the model's size."""
    if tuple(shape) != geometry.model_shape:
        raise ImageError(
            f"the backend answered {list(shape)} px for an input of {list(geometry.model_shape)} px: "
            "it must answer every pixel of its input"
        )


def sampling_taps(geometry: FrameGeometry) -> tuple[AxisTaps, AxisTaps]:
    """Where every row and every column of the user's image lies among the model's, at any scale."""
    rows, columns = geometry.model_shape
    return (
        _taps(geometry.height, geometry.scale, geometry.pad_top, rows),
        _taps(geometry.width, geometry.scale, geometry.pad_left, columns),
    )


def disparity_to_model(disparity: Float32Array, geometry: FrameGeometry) -> Float32Array:
    """A disparity of the user's image (the last frame's, say) on the model's grid, in model px, NaN kept.

    Args:
        disparity: float32 ``[H, W]`` px.

    Returns:
        float32 ``[h, w]`` model px.
    """
    rows, columns = geometry.model_shape
    u = (np.arange(columns, dtype=np.float32) - geometry.pad_left + 0.5) / np.float32(geometry.scale) - 0.5
    v = (np.arange(rows, dtype=np.float32) - geometry.pad_top + 0.5) / np.float32(geometry.scale) - 0.5
    x = np.clip(np.rint(u), 0, geometry.width - 1).astype(np.intp)
    y = np.clip(np.rint(v), 0, geometry.height - 1).astype(np.intp)
    return np.asarray(disparity[y[:, None], x[None, :]] * np.float32(geometry.scale), dtype=np.float32)


def _pads(length: int, multiple: int, margin: int) -> tuple[int, int]:
    missing = -(-(length + 2 * margin) // multiple) * multiple - length
    return missing // 2, missing - missing // 2


def _rescale(image: Uint8Image, geometry: FrameGeometry) -> Uint8Image:
    """The image ``[H, W, 3]`` on the scaled grid before padding; halved by area first where that grid is coarser."""
    scale = geometry.scale
    while scale < 0.5:
        even = cv2.copyMakeBorder(image, 0, image.shape[0] % 2, 0, image.shape[1] % 2, cv2.BORDER_REPLICATE)
        size = (even.shape[1] // 2, even.shape[0] // 2)
        image = np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scale *= 2.0
    if scale == 1.0:
        return image[: geometry.scaled_height, : geometry.scaled_width]
    # warpAffine maps a target pixel u to the source pixel (u + 0.5) / scale - 0.5: the exact scale on both axes,
    # where cv2.resize would stretch each axis to a whole number of pixels.
    shift = 0.5 / scale - 0.5
    matrix = np.array([[1 / scale, 0, shift], [0, 1 / scale, shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (geometry.scaled_width, geometry.scaled_height)
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _sample(values: Float32Array, geometry: FrameGeometry) -> Float32Array:
    """Bilinear samples of ``values [h, w]`` at the user's pixels; the nearest one beside NaN and at depth edges."""
    rows, columns = sampling_taps(geometry)
    blend = _between(_between(values, rows, rows.weight[:, None], 0), columns, columns.weight, 1)
    nearest = values.take(rows.nearest, 0).take(columns.nearest, 1, mode="clip")
    with np.errstate(invalid="ignore"):
        one_surface = np.abs(blend - nearest) <= BLEND_LIMIT
    np.copyto(blend, nearest, where=~one_surface)
    return blend


def _between(values: Float32Array, taps: AxisTaps, weight: Float32Array, axis: int) -> Float32Array:
    """Samples between neighbours along an axis; ``take`` with a mode is twice as fast here as an index array."""
    first = values.take(taps.lower, axis, mode="clip")
    step: Float32Array = values.take(taps.upper, axis, mode="clip")
    step -= first
    step *= weight
    step += first
    return step


def _taps(length: int, scale: float, pad: int, limit: int) -> AxisTaps:
    """Of ``length`` user pixels among ``limit`` model pixels along one axis."""
    position = (np.arange(length) + 0.5) * scale - 0.5 + pad
    lower = np.clip(np.floor(position), 0, max(limit - 2, 0)).astype(np.intp)
    weight = np.clip(position - lower, 0.0, 1.0).astype(np.float32)
    nearest = np.clip(np.rint(position), 0, limit - 1).astype(np.intp)
    return AxisTaps(lower, np.minimum(lower + 1, limit - 1), weight, nearest)

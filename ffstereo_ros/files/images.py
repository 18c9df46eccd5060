"""Image files to the arrays the matcher eats, and back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import InputFileError

# 16-bit infrared rarely uses all 16 bits: the depth in use is the smallest of these that holds the brightest pixel.
_BIT_DEPTHS = (8, 10, 12, 14, 16)


def read_rgb(path: Path | str) -> NDArray[np.uint8]:
    """Reads an image as uint8 ``[H, W, 3]`` RGB; grey is repeated, alpha dropped, 16 bit scaled to 8.

    Raises:
        InputFileError: no such file, or not an image OpenCV can read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputFileError(f"image {path}: no such file")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputFileError(f"image {path}: not an image that OpenCV can read (PNG, JPEG, TIFF, PGM and others)")
    image = to_8_bit(np.asarray(image))
    if image.ndim == 2:
        return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2))
    return np.ascontiguousarray(image[:, :, 2::-1])


def to_8_bit(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """uint16 of 10, 12, 14 or 16 used bits to uint8 by dropping the low bits; uint8 is passed through.

    Raises:
        InputFileError: neither uint8 nor uint16.
    """
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    if image.dtype != np.uint16:
        raise InputFileError(f"image of {image.dtype}: 8 and 16 bit images are read")
    brightest = int(image.max(initial=0))
    bits = next(bits for bits in _BIT_DEPTHS if brightest < 2**bits)
    return (image.astype(np.uint16) >> np.uint16(bits - 8)).astype(np.uint8)


def write_rgb(path: Path, image: NDArray[np.uint8]) -> None:
    """Writes uint8 ``[H, W, 3]`` RGB.

    Raises:
        InputFileError: the file cannot be written.
    """
    if not cv2.imwrite(str(path), np.ascontiguousarray(image[:, :, ::-1])):
        raise InputFileError(f"image {path}: cannot be written; is the folder there and writable?")


def colour_disparity(
    disparity: NDArray[np.float32], *, low: float = 0.0, high: float | None = None
) -> NDArray[np.uint8]:
    """A disparity for people: near is red, far is blue (OpenCV's Turbo), unknown is black.

    Args:
        disparity: float32 ``[H, W]`` px, NaN = unknown.
        low, high: px at the ends of the scale; ``high`` defaults to the 99th percentile.

    Returns:
        uint8 ``[H, W, 3]`` RGB.
    """
    known = np.isfinite(disparity)
    if high is None:
        high = float(np.percentile(disparity[known], 99)) if known.any() else low + 1.0
    level = np.clip((np.nan_to_num(disparity) - low) * (255.0 / max(high - low, 1e-6)), 0, 255).astype(np.uint8)
    colour = np.asarray(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), dtype=np.uint8)[:, :, ::-1].copy()
    colour[~known] = 0
    return colour

"""Image files to the arrays the matcher eats, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.files.encoded import read_stored, write_stored

Uint8Image = NDArray[np.uint8]


def read_pair(left: Path | str, right: Path | str) -> tuple[Uint8Image, Uint8Image]:
    """Both images of a pair as uint8 ``[H, W, 3]`` RGB; grey is repeated, alpha dropped.

    16-bit images are shifted right by as many bits as brings the brightest pixel of the pair to 8, the node's own rule
    for topics: the same gain left and right, whatever each of them shows.

    Raises:
        InputFileError: no such file, not an image OpenCV can read, damaged, or neither of 8 nor of 16 bits.
    """
    stored = [_read_colours(Path(path)) for path in (left, right)]
    bits = max((int(image.max(initial=0)).bit_length() for image in stored if image.dtype == np.uint16), default=8)
    first, second = (_to_rgb(image, max(bits - 8, 0)) for image in stored)
    return first, second


def _read_colours(path: Path) -> NDArray[Any]:
    """uint8 or uint16, grey ``[H, W]`` or BGR ``[H, W, 3]``."""
    image = read_stored(path)
    if image.dtype not in (np.uint8, np.uint16):
        raise InputFileError(f"image {path}: {image.dtype}, but images of 8 and 16 bits are read")
    return image if image.ndim == 2 else image[:, :, :3]


def _to_rgb(image: NDArray[Any], shift: int) -> Uint8Image:
    eight_bit = image.astype(np.uint8, copy=False) if image.dtype == np.uint8 else (image >> shift).astype(np.uint8)
    if eight_bit.ndim == 2:
        return np.ascontiguousarray(np.repeat(eight_bit[:, :, None], 3, axis=2))
    return np.ascontiguousarray(eight_bit[:, :, ::-1])


def write_rgb(path: Path, image: Uint8Image) -> None:
    """Writes uint8 ``[H, W, 3]`` RGB.

    Raises:
        InputFileError: the file cannot be written.
    """
    write_stored(path, image[:, :, ::-1])


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

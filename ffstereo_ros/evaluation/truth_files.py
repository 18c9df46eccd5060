"""Ground-truth disparity files of the field, read as float32 ``[H, W]`` px of the left image, NaN = no truth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.files.encoded import read_stored

Float32Array = NDArray[np.float32]
_PFM_HEADER = re.compile(rb"^(PF|Pf)\s+(\d+)\s+(\d+)\s+(-?[\d.]+(?:[eE][-+]?\d+)?)\s")


def read_png_256(path: Path) -> Float32Array:
    """KITTI's encoding, and that of the ``disp.png`` scenes: uint16 = 256 * px, 0 = no truth."""
    stored = read_stored(path)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise InputFileError(f"{path}: {stored.dtype} {list(stored.shape)}, but uint16 [H, W] of 256 * px is needed")
    return np.where(stored == 0, np.float32(np.nan), stored.astype(np.float32) / np.float32(256))


def read_sintel(path: Path) -> Float32Array:
    """MPI Sintel stereo: 8-bit RGB, ``d = 4 R + G / 2^6 + B / 2^14`` px (the data set's ``sintel_io``)."""
    stored = read_stored(path)
    if stored.dtype != np.uint8 or stored.ndim != 3:
        raise InputFileError(f"{path}: {stored.dtype} {list(stored.shape)}, but uint8 [H, W, 3] is needed")
    blue, green, red = (stored[..., channel].astype(np.float32) for channel in range(3))
    return np.asarray(red * 4 + green / 2**6 + blue / 2**14, dtype=np.float32)


def read_pfm(path: Path) -> Float32Array:
    """Portable float map, rows bottom up, either byte order; infinity and NaN = no truth.

    Values that are negative throughout (the left disparity of SceneFlow's older archives) are turned positive.

    Raises:
        InputFileError: missing, truncated, or not a one-channel PFM.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from error
    header = _PFM_HEADER.match(data)
    if header is None or header.group(1) != b"Pf":
        raise InputFileError(f"{path}: not a one-channel PFM file (it must begin with 'Pf', width, height, scale)")
    width, height, scale = int(header.group(2)), int(header.group(3)), float(header.group(4))
    if len(data) - header.end() < 4 * width * height:
        raise InputFileError(f"{path}: truncated, {len(data)} bytes for {width}x{height} px")
    values = np.frombuffer(data, "<f4" if scale < 0 else ">f4", width * height, header.end())
    disparity = np.flipud(values.reshape(height, width)).astype(np.float32)
    known = np.isfinite(disparity)
    if known.any() and float(disparity[known].max()) <= 0:
        disparity = -disparity
    disparity[~known] = np.nan
    return disparity


def read_mask(path: Path, value: int = 255) -> NDArray[np.bool_]:
    """True where an 8-bit mask image has exactly ``value``."""
    stored = read_stored(path)
    return np.asarray((stored if stored.ndim == 2 else stored[..., 0]) == value)


def read_disparity(path: Path) -> Float32Array:
    """By suffix: ``.pfm``, ``.npy`` (float px, NaN = none), or 16-bit ``.png`` of 256 * px.

    Raises:
        InputFileError: missing, damaged, or of another kind than its suffix says.
    """
    if path.suffix == ".pfm":
        return read_pfm(path)
    return _read_npy(path) if path.suffix == ".npy" else read_png_256(path)


def _read_npy(path: Path) -> Float32Array:
    try:
        with path.open("rb") as file:
            # Not np.load, which would take an archive or a pickle by this name as well.
            stored = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, EOFError, MemoryError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputFileError(f"{path}: cannot be read as .npy ({reason}); write it with numpy.save") from error
    if stored.ndim != 2 or stored.dtype.kind not in "fiu":
        raise InputFileError(f"{path}: {stored.dtype} {list(stored.shape)}, but numbers [H, W] in px are needed")
    return np.asarray(stored, dtype=np.float32)

"""Encoded images in memory and on disk: read as they are stored, or refused with the reason, whatever they hold."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import ImageError, InputFileError
from ffstereo_ros.files.whole import whole_file

JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
PNG, _PNG_HEADER, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\rIHDR", b"IEND"
# JPEG markers that stand alone, and those of a frame's header, which holds the size.
_ALONE = {0x01, *range(0xD0, 0xD9)}
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA

# Damaged headers claim anything: OpenCV works for seconds on an image of 2 GB that is not there.
_LARGEST_PX = 1 << 26


def read_stored(path: Path) -> NDArray[Any]:
    """An image file as it is stored: ``[H, W]``, or ``[H, W, C]`` in OpenCV's order BGR(A).

    OpenCV is given bytes and never the name: it crashes on a name that is not valid in the system's encoding.

    Raises:
        InputFileError: no such file, not to be read, not an image, truncated, or damaged.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError:
        raise InputFileError(f"image {path}: no such file") from None
    except OSError as error:
        raise InputFileError(f"image {path}: cannot be read ({error.strerror})") from error
    reason = why_unsound(data)
    if reason:
        raise InputFileError(f"image {path}: {reason}; copy or export it again")
    try:
        stored = decode(data)
    except ImageError as error:
        raise InputFileError(f"image {path}: cannot be decoded ({error})") from error
    if stored is None:
        raise InputFileError(f"image {path}: not an image that OpenCV can read (PNG, JPEG, TIFF, PGM and others)")
    return stored


def decode(data: NDArray[np.uint8]) -> NDArray[Any] | None:
    """Encoded bytes as OpenCV decodes them, BGR(A); None where it does not know what they are.

    Raises:
        ImageError: OpenCV's reason.
    """
    try:
        # Unchanged: grey stays grey, 16 bits stay, and nothing is turned as a photograph's orientation asks.
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(" ".join(error.err.split())) from error
    return None if image is None else np.asarray(image)


def write_stored(path: Path, image: NDArray[Any]) -> None:
    """Writes ``[H, W]`` or ``[H, W, C]`` in OpenCV's order BGR(A), encoded as the suffix says.

    Raises:
        InputFileError: the file cannot be written.
    """
    try:
        encoded = cv2.imencode(path.suffix, np.ascontiguousarray(image))[1]
    except cv2.error as error:
        raise InputFileError(f"image {path}: cannot be encoded ({' '.join(error.err.split())})") from error
    with whole_file(path) as file:
        file.write(encoded.tobytes())


def why_unsound(data: NDArray[np.uint8]) -> str:
    """Why encoded bytes should not be given to OpenCV, which fills up with grey, or works for seconds; empty = sound.

    JPEG and PNG are looked through; of other formats nothing is known but that they are not empty.
    """
    head = data[:8].tobytes()
    if not head:
        return "is empty"
    if head.startswith(JPEG):
        # libjpeg fills what is missing with grey, and OpenCV says nothing.
        size, scan = _jpeg_size_and_scan(memoryview(data))
        whole = scan > 0 and _JPEG_END in data[scan:].tobytes()
    elif head.startswith(PNG):
        whole = _png_is_whole(memoryview(data))
        size = struct.unpack_from(">II", data, 16) if whole else None
    else:
        return ""
    if not whole:
        return "is truncated or damaged"
    if size is None or not 0 < size[0] * size[1] <= _LARGEST_PX:
        words = "has no size" if size is None else f"says it is {size[0]}x{size[1]} px"
        return f"{words}, at most {_LARGEST_PX} px are read"
    return ""


def _jpeg_size_and_scan(data: memoryview) -> tuple[tuple[int, int] | None, int]:
    """Width and height of the first frame's header, px, and where the first scan begins; 0 = nowhere.

    What follows the image (zeros of a buffer, a phone's notes, another picture) does not matter: in a scan no FF D9 can
    occur but its end, and a thumbnail lies in a segment before it.
    """
    at, size = 2, None
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _SCAN:
            return size, at
        if marker in _FRAME_HEADERS and size is None and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        if marker == 0xFF:  # filling
            at += 1
        else:
            at += 2 if marker in _ALONE else 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return size, 0


def _png_is_whole(data: memoryview) -> bool:
    """The header comes first, and chunk follows upon chunk to the last."""
    at = len(PNG)
    if data[at : at + len(_PNG_HEADER)] != _PNG_HEADER:
        return False
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == _PNG_END:
            return True
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
    return False

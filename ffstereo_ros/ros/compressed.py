"""``sensor_msgs/CompressedImage`` to arrays: JPEG and PNG, as image_transport's ``compressed`` sends them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import ImageError

# For readers and mypy only: bags are evaluated by the same functions on machines without ROS.
if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage

_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG, _PNG_HEADER, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\rIHDR", b"IEND"
# Some drivers fill a buffer of fixed size with zeros.
_PADDING = 4096

# JPEG markers that stand alone, and those of a frame's header, which holds the size.
_ALONE = {0x01, *range(0xD0, 0xD9)}
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# Damaged headers claim anything: OpenCV works for seconds on an image of 2 GB that is not there.
_LARGEST_PX = 1 << 26

# OpenCV's conversion to RGB by number of channels.
_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


def decode_compressed(message: CompressedImage, side: str) -> NDArray[Any]:
    """uint8 ``[H, W, 3]`` RGB, or uint16 ``[H, W]`` from a grey 16-bit PNG.

    Raises:
        ImageError: neither JPEG nor PNG, truncated, or damaged.
    """
    what = f"{side} image ({len(message.data)} bytes, format '{message.format}')"
    data = np.frombuffer(message.data, np.uint8)
    _require_sound(data, what)
    try:
        # Unchanged: grey stays grey, 16 bits stay, and nothing is turned as a photograph's orientation asks.
        pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"{what} cannot be decoded ({error.err}): is the transport damaged?") from error
    if pixels is None:
        raise ImageError(f"{what} cannot be decoded: it is damaged; check the camera driver and the network")
    if pixels.dtype == np.uint16 and pixels.ndim == 2:
        return np.asarray(pixels)
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.dtype != np.uint8 or channels not in _TO_RGB:
        raise ImageError(f"{what} has {channels} channels of {pixels.dtype}: publish 8 bits, or 16 bits of one channel")
    return np.asarray(cv2.cvtColor(pixels, _TO_RGB[channels]), dtype=np.uint8)


def _require_sound(data: NDArray[np.uint8], what: str) -> None:
    """Refuses what OpenCV would fill up with grey, or work on for seconds."""
    head = data[:8].tobytes()
    if head.startswith(_JPEG):
        # libjpeg fills what is missing with grey, and OpenCV says nothing.
        whole = data[-_PADDING:].tobytes().rstrip(b"\0").endswith(_JPEG_END)
        size = _jpeg_size(memoryview(data))
    elif head.startswith(_PNG):
        whole = _png_is_whole(memoryview(data))
        size = struct.unpack_from(">II", data, 16) if whole else None
    else:
        raise ImageError(f"{what} is neither JPEG nor PNG: publish one of them, or use input_transport raw")
    if not whole:
        raise ImageError(f"{what} is truncated or damaged; check the camera driver and the network")
    if size is None or not 0 < size[0] * size[1] <= _LARGEST_PX:
        words = "has no size" if size is None else f"says it is {size[0]}x{size[1]} px"
        raise ImageError(f"{what} {words}, at most {_LARGEST_PX} px are read: is it damaged?")


def _jpeg_size(data: memoryview) -> tuple[int, int] | None:
    """Width and height of the first frame's header, px."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:  # filling
            at += 1
        else:
            at += 2 if marker in _ALONE else 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _png_is_whole(data: memoryview) -> bool:
    """The header comes first, and chunk follows upon chunk to the last."""
    at = len(_PNG)
    if data[at : at + len(_PNG_HEADER)] != _PNG_HEADER:
        return False
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == _PNG_END:
            return True
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
    return False

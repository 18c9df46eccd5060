"""``sensor_msgs/CompressedImage`` to arrays: JPEG and PNG, as image_transport's ``compressed`` sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import ImageError
from ffstereo_ros.files.encoded import JPEG, PNG, decode, why_unsound

# For readers and mypy only: bags are evaluated by the same functions on machines without ROS.
if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage

# OpenCV's conversion to RGB by number of channels.
_TO_RGB = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}


def decode_compressed(message: CompressedImage, side: str) -> NDArray[Any]:
    """uint8 ``[H, W, 3]`` RGB, or uint16 ``[H, W]`` from a grey 16-bit PNG.

    Raises:
        ImageError: neither JPEG nor PNG, truncated, or damaged.
    """
    what = f"{side} image ({len(message.data)} bytes, format '{message.format}')"
    data = np.frombuffer(message.data, np.uint8)
    if not data[:8].tobytes().startswith((JPEG, PNG)):
        raise ImageError(f"{what} is neither JPEG nor PNG: publish one of them, or use input_transport raw")
    reason = why_unsound(data)
    if reason:
        raise ImageError(f"{what} {reason}: check the camera driver and the network")
    try:
        pixels = decode(data)
    except ImageError as error:
        raise ImageError(f"{what} cannot be decoded ({error}): is the transport damaged?") from error
    if pixels is None:
        raise ImageError(f"{what} cannot be decoded: it is damaged; check the camera driver and the network")
    if pixels.dtype == np.uint16 and pixels.ndim == 2:
        return pixels
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if pixels.dtype != np.uint8 or channels not in _TO_RGB:
        raise ImageError(f"{what} has {channels} channels of {pixels.dtype}: publish 8 bits, or 16 bits of one channel")
    return np.asarray(cv2.cvtColor(pixels, _TO_RGB[channels]), dtype=np.uint8)

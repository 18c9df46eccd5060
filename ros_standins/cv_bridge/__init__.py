"""Stand-in for cv_bridge: an image message of a colour encoding becomes an rgb8, bgr8 or mono8 array."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Encoding: channels, bytes of a channel, OpenCV's conversion to RGB (None = it is RGB). OpenCV names a Bayer pattern by
# its second row's second and third pixel, ROS by the first row's first two.
_TO_RGB: dict[str, tuple[int, int, int | None]] = {
    "rgb8": (3, 1, None),
    "bgr8": (3, 1, cv2.COLOR_BGR2RGB),
    "rgba8": (4, 1, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, 1, cv2.COLOR_BGRA2RGB),
    "mono8": (1, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": (3, 2, None),
    "bgr16": (3, 2, cv2.COLOR_BGR2RGB),
    "rgba16": (4, 2, cv2.COLOR_RGBA2RGB),
    "bgra16": (4, 2, cv2.COLOR_BGRA2RGB),
    "mono16": (1, 2, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGB2RGB),
    "yuv422": (2, 1, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, 1, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, 1, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, 1, cv2.COLOR_YUV2RGB_YUY2),
}
_FROM_RGB: dict[str, int | None] = {"rgb8": None, "bgr8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_RGB2GRAY}


class CvBridgeError(TypeError):
    """An image cannot be converted."""


class CvBridge:
    """Converts messages to arrays."""

    def imgmsg_to_cv2(self, img_msg: Any, desired_encoding: str = "passthrough") -> NDArray[np.uint8]:
        """The image as uint8 ``[H, W, 3]`` or ``[H, W]``; 16 bits are scaled by 255 / 65535.

        Raises:
            CvBridgeError: either encoding is not known here.
        """
        if img_msg.encoding not in _TO_RGB or desired_encoding not in _FROM_RGB:
            raise CvBridgeError(f"[{img_msg.encoding}] cannot be converted to [{desired_encoding}]")
        channels, size, to_rgb = _TO_RGB[img_msg.encoding]
        pixels = _pixels(img_msg, channels, size)
        if size == 2:
            pixels = np.rint(pixels * np.float32(255 / 65535)).astype(np.uint8)
        rgb = pixels if to_rgb is None else cv2.cvtColor(pixels, to_rgb)
        from_rgb = _FROM_RGB[desired_encoding]
        return np.asarray(rgb if from_rgb is None else cv2.cvtColor(rgb, from_rgb), dtype=np.uint8)


def _pixels(msg: Any, channels: int, size: int) -> NDArray[Any]:
    dtype = np.dtype(f"{'>' if msg.is_bigendian else '<'}u{size}")
    rows = np.frombuffer(msg.data, np.uint8)[: msg.height * msg.step].reshape(msg.height, msg.step)
    packed = np.ascontiguousarray(rows[:, : msg.width * channels * size]).view(dtype)
    return packed.reshape((msg.height, msg.width) if channels == 1 else (msg.height, msg.width, channels))

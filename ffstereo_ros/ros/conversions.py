"""Messages to arrays: 8-bit images as views or one OpenCV pass, 16-bit infrared scaled, CameraInfo to StereoCamera."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import CalibrationError, ImageError
from ffstereo_ros.ros.compressed import decode_compressed

# For readers and mypy only: bags are evaluated by the same functions on machines without ROS.
if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo, CompressedImage, Image

Uint8Image = NDArray[np.uint8]

# Encoding: channels and OpenCV's conversion to RGB, None where the message's own bytes are RGB already. A pass costs
# 0.01 ms at 640x480 (0.05 ms at 1280x720); a reversed, broadcast or four-channel view costs the consumer 0.7 to 1 ms.
# 8UC3 and 8UC4 carry no order; OpenCV's own is taken.
_EIGHT_BIT: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
}
_SIXTEEN_BIT = ("mono16", "16UC1")


def pair_to_rgb(left: Image | CompressedImage, right: Image | CompressedImage) -> tuple[Uint8Image, Uint8Image]:
    """Both images as uint8 ``[H, W, 3]`` RGB; raw rgb8 is a view of the message.

    16-bit images are shifted right by as many bits as brings the brightest pixel of the pair to 8: one rule for
    cameras of 10, 12 and 16 bits, the same gain left and right, no state between frames.

    Raises:
        ImageError: no data or too little, a step shorter than a row, or an encoding that cannot be converted.
    """
    decoded = [_decode(left, "left"), _decode(right, "right")]
    bits = max((int(image.max()).bit_length() for image in decoded if image.dtype == np.uint16), default=8)
    first, second = (_eight_bit(image, max(bits - 8, 0)) for image in decoded)
    return first, second


def camera_from_info(left: CameraInfo, right: CameraInfo, *, width: int, height: int) -> StereoCamera:
    """The rectified pair that both CameraInfo describe, for images of ``width`` x ``height`` px.

    Binning and region of interest are applied to ``P`` as sensor_msgs/CameraInfo defines them.

    Raises:
        CalibrationError: a size that is not the image's, or projections that are no rectified pair.
    """
    for side, info in (("left", left), ("right", right)):
        size = _image_size(info)
        if size != (width, height):
            raise CalibrationError(
                f"{side} image is {width}x{height} px but its camera_info says {size[0]}x{size[1]} px: "
                "they must agree; publish the CameraInfo of the size that is sent"
            )
    return _camera(_projection(left), _projection(right), width, height)


@lru_cache(maxsize=16)
def _camera(P_left: tuple[float, ...], P_right: tuple[float, ...], width: int, height: int) -> StereoCamera:
    return StereoCamera.from_projections(P_left, P_right, width, height)


def _image_size(info: CameraInfo) -> tuple[int, int]:
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return width // max(info.binning_x, 1), height // max(info.binning_y, 1)


def _projection(info: CameraInfo) -> tuple[float, ...]:
    P = np.array(info.p, dtype=np.float64).reshape(3, 4)
    P[0, 2] -= info.roi.x_offset
    P[1, 2] -= info.roi.y_offset
    P[0] /= max(info.binning_x, 1)
    P[1] /= max(info.binning_y, 1)
    return tuple(P.ravel().tolist())


def _decode(message: Image | CompressedImage, side: str) -> NDArray[Any]:
    """uint8 ``[H, W, 3]`` RGB, or uint16 ``[H, W]``."""
    if hasattr(message, "format"):
        return decode_compressed(message, side)
    if message.width < 1 or message.height < 1:
        raise ImageError(f"{side} image is {message.width}x{message.height} px: it has no pixels; check the camera")
    if message.encoding in _SIXTEEN_BIT:
        rows = _rows(message, side, 2)
        return rows.view(">u2" if message.is_bigendian else "<u2").astype(np.uint16, copy=False)
    if message.encoding not in _EIGHT_BIT:
        return _through_cv_bridge(message, side)
    channels, code = _EIGHT_BIT[message.encoding]
    rows = _rows(message, side, channels)
    pixels = rows if channels == 1 else rows.reshape(message.height, message.width, channels)
    return pixels if code is None else cv2.cvtColor(pixels, code)


def _rows(message: Image, side: str, pixel_bytes: int) -> Uint8Image:
    """A view of the image's bytes without the padding of its rows, ``[height, width * pixel_bytes]``."""
    row_bytes = message.width * pixel_bytes
    _require_rows(message, side, row_bytes)
    data = np.frombuffer(message.data, np.uint8)
    needed = message.step * (message.height - 1) + row_bytes
    return np.lib.stride_tricks.as_strided(data[:needed], (message.height, row_bytes), (message.step, 1))


def _require_rows(message: Image, side: str, row_bytes: int) -> None:
    what = f"{side} image ({message.encoding}, {message.width}x{message.height} px)"
    if message.step < row_bytes:
        raise ImageError(
            f"{what} has step = {message.step} bytes but a row has {row_bytes}: the camera driver is at fault"
        )
    needed = message.step * (message.height - 1) + row_bytes
    if len(message.data) < needed:
        raise ImageError(
            f"{what} has {len(message.data)} bytes of data but needs {needed}: it is truncated; check the camera driver"
        )


def _through_cv_bridge(message: Image, side: str) -> Uint8Image:
    what = f"{side} image has encoding {message.encoding!r}"  # in one line whatever it holds
    advice = "publish mono8, rgb8, bgr8, rgba8, bgra8 or mono16"
    try:
        from cv_bridge import CvBridge
    except Exception as error:  # a cv_bridge built for another NumPy fails in more ways than ImportError
        raise ImageError(f"{what}, which needs cv_bridge, which does not load ({error}): {advice}") from error
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
    except Exception as error:  # CvBridgeError, and TypeError, KeyError or RuntimeError from inside
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"{what}, which cannot be turned into RGB ({reason}): {advice}") from error


def _eight_bit(image: NDArray[Any], shift: int) -> Uint8Image:
    if image.dtype == np.uint8:
        return image
    return np.asarray(cv2.cvtColor((image >> shift).astype(np.uint8), cv2.COLOR_GRAY2RGB), dtype=np.uint8)

"""Arrays to messages: each message's own rule for unknown values is applied here and nowhere else.

Pixels are computed in the memory of the message itself, a few rows at a time where several steps follow each other:
at 1280x720 the outputs are 28 MB a frame, and every further pass over them costs what it moves.
"""

from __future__ import annotations

import array
import copy
import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header
from stereo_msgs.msg import DisparityImage

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.geometry import ray_slopes

Float32Array = NDArray[np.float32]
Uint8Image = NDArray[np.uint8]

_LARGEST_MM = 65535
_POINT_BYTES = 16
_FIELDS = [
    PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
    for index, name in enumerate(("x", "y", "z", "rgb"))
]
_BLOCK = 48  # rows; at 1280 px a plane of them takes a quarter of a megabyte, which a core's own cache holds


def disparity_message(
    disparity: Float32Array, camera: StereoCamera, header: Header, *, max_disparity: float, step: float
) -> DisparityImage:
    """A DisparityImage true to its definition ``Z = f T / d``: the values are ``d + cx_right - cx_left``.

    Args:
        disparity: ``[H, W]`` px of the left image, NaN = unknown.
        max_disparity: largest disparity searched, px of the left image.
        step: smallest difference the backend can tell, px; 0 = continuous.

    Returns:
        Unknown, and behind the cameras, is ``min_disparity - 1``.
    """
    lowest = max(camera.cx_offset, 0.0)
    data, shifted = _copied(disparity)
    if camera.cx_offset:
        shifted += np.float32(camera.cx_offset)
    cv2.patchNaNs(shifted, lowest - 1.0)  # 0.1 ms at 1280x720, np.where 0.6 ms
    if camera.cx_offset < 0:
        shifted[shifted < 0] = lowest - 1.0
    message = DisparityImage(header=header)
    message.image = _image(data, shifted, header, "32FC1")
    message.f = float(camera.f)
    message.t = float(camera.baseline)
    message.valid_window.width = camera.width
    message.valid_window.height = camera.height
    message.min_disparity = float(np.float32(lowest))
    message.max_disparity = float(max(max_disparity + camera.cx_offset, lowest))
    message.delta_d = float(step)
    return message


def depth_message(depth: Float32Array, header: Header, encoding: str) -> Image:
    """Depth ``[H, W]`` m as 32FC1 m with NaN, or as 16UC1 mm with 0, where unknown (REP 118).

    Beyond 65.535 m, 16UC1 is unknown.
    """
    if encoding == "32FC1":
        return float_image(depth, header)
    millimetres = np.rint(depth * np.float32(1000.0))
    with np.errstate(invalid="ignore"):
        known = (millimetres >= 1) & (millimetres <= _LARGEST_MM)
    data, pixels = _memory(depth.shape, "<u2")
    pixels[...] = np.where(known, millimetres, 0)
    return _image(data, pixels, header, "16UC1")


def float_image(values: Float32Array, header: Header) -> Image:
    """Any ``[H, W]`` map as 32FC1."""
    return _image(*_copied(values), header, "32FC1")


def colour_image(disparity: Float32Array, header: Header, *, max_disparity: float) -> Image:
    """The disparity for people: bgr8, turbo from far (blue) to near (red), black = unknown.

    The colour follows ``sqrt(d / max_disparity)``: fixed, so that a colour means the same in every frame, and the
    root because most of a scene lies in the lower third of the range.
    """
    data, pixels = _memory((*disparity.shape, 3), "u1")
    levels = 254.0 / math.sqrt(max_disparity)
    for rows in _blocks(len(disparity)):
        root = np.sqrt(disparity[rows])
        cv2.patchNaNs(root, -1.0 / levels)
        cv2.applyColorMap(cv2.convertScaleAbs(root, None, levels, 1.0), _COLOURS, pixels[rows])
    return _image(data, pixels, header, "bgr8")


def depth_camera_info(left: CameraInfo, header: Header) -> CameraInfo:
    """The CameraInfo of the depth image: the left camera's, since depth has its pixels, with the set's header."""
    info = copy.copy(left)
    info.header = header
    return info


def cloud_message(
    depth: Float32Array, camera: StereoCamera, rgb: Uint8Image, header: Header, *, stride: int = 1
) -> PointCloud2:
    """An organised cloud of 16-byte points: x, y, z float32 m and rgb packed into a float32 as 0x00RRGGBB.

    Args:
        depth: ``[H, W]`` m, NaN = unknown: all three coordinates are NaN then.
        rgb: ``[H, W, 3]`` colours of the left image.
        stride: every how many rows and columns there is a point.
    """
    every = slice(None, None, stride)
    depth, rgb = np.ascontiguousarray(depth[every, every]), np.ascontiguousarray(rgb[every, every])
    x_over_z, y_over_z = (slopes[every] for slopes in ray_slopes(camera))
    height, width = depth.shape
    data, cloud = _memory((height, width, 4), "<f4")
    for rows in _blocks(height):
        z = depth[rows]
        cv2.merge([z * x_over_z, z * y_over_z[rows, None], z, _packed(rgb[rows])], cloud[rows])
    return _cloud(data, cloud, header)


def points_message(points: Float32Array, header: Header) -> PointCloud2:
    """The same cloud of points ``[h, w, 4]`` that are packed already: x, y, z m and the colour."""
    return _cloud(*_copied(points), header)


def _cloud(data: array.array[int], points: Float32Array, header: Header) -> PointCloud2:
    height, width = points.shape[:2]
    message = PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=_FIELDS,
        is_bigendian=False,
        point_step=_POINT_BYTES,
        row_step=_POINT_BYTES * width,
        is_dense=False,
    )
    message.data = data
    return message


def _packed(rgb: Uint8Image) -> Float32Array:
    """Colours ``[h, w, 3]`` as float32 ``[h, w]``: blue, green, red and 0 in memory order of a little-endian word.

    The fourth byte must be 0: at 255 every bright colour is a NaN when read as float32, and readers that skip NaN would
    lose the point.
    """
    words: NDArray[np.uint32] = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0]
    words &= np.uint32(0x00FFFFFF)
    return words.view(np.float32)


def _blocks(height: int) -> Iterator[slice]:
    return (slice(first, first + _BLOCK) for first in range(0, height, _BLOCK))


def _image(data: array.array[int], pixels: NDArray[Any], header: Header, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    image = Image(header=header, height=height, width=width, encoding=encoding, is_bigendian=0, step=pixels.strides[0])
    image.data = data
    return image


def _memory(shape: tuple[int, ...], dtype: str) -> tuple[array.array[int], NDArray[Any]]:
    """The bytes of a message, and the pixels in them.

    The message checks an ndarray element by element, 52 ms at 640x480. An array.array of bytes it takes as it is when
    it is assigned to ``data``; the message's constructor copies it. Keeping it for the next frame gains nothing.
    """
    data = array.array("B", b"\0") * (int(np.prod(shape)) * np.dtype(dtype).itemsize)
    return data, np.frombuffer(data, dtype).reshape(shape)


def _copied(values: Float32Array) -> tuple[array.array[int], Float32Array]:
    """The same for pixels that are there already: without filling the memory with zeros first."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values, "<f4").data.cast("B"))
    return data, np.frombuffer(data, "<f4").reshape(values.shape)


def _colour_table() -> Uint8Image:
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)
    table[0] = 0
    return np.asarray(table, dtype=np.uint8)


_COLOURS = _colour_table()

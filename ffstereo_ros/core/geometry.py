"""Disparity to depth and points, in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.validity import mask_depth_range
from ffstereo_ros.errors import ImageError

Float32Array = NDArray[np.float32]

# The smallest and the largest depth that float32 holds, m.
NEAREST, FARTHEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def depth_from_disparity(
    disparity: Float32Array, camera: StereoCamera, *, min_depth: float = NEAREST, max_depth: float = FARTHEST
) -> Float32Array:
    """Depth along the optical axis of the left camera.

    ``Z = f * B / (d + cx_right - cx_left)``

    Args:
        disparity: ``[H, W]`` px of the left image, NaN = unknown.
        camera: the pair the disparity belongs to.
        min_depth, max_depth: m; what lies outside is unknown.

    Returns:
        ``[H, W]`` float32 m, a new array; NaN where the disparity is unknown or the rays do not meet in front of the
        cameras (``d + cx_right - cx_left <= 0``, infinitely far or behind).

    Raises:
        ImageError: the disparity does not have the camera's image size.

    Source: sensor_msgs/CameraInfo projection model; Q matrix of Bradski and Kaehler, Learning OpenCV, ch. 12.
    """
    require_camera_size(disparity.shape, camera)
    shifted = disparity + np.float32(camera.cx_offset) if camera.cx_offset else disparity
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        depth = np.float32(camera.focal_baseline) / shifted
    low, high = finite_range(min_depth, max_depth)
    return mask_depth_range(depth, min_depth=low, max_depth=high)


def finite_range(min_depth: float, max_depth: float) -> tuple[float, float]:
    """The limits, m, without what lies behind the cameras or is infinite.

    Infinite is the quotient over 0.0, -0.0 and what is so small that it leaves float32.
    """
    return max(min_depth, NEAREST), min(max_depth, FARTHEST)


def points_from_depth(depth: Float32Array, camera: StereoCamera) -> Float32Array:
    """Points in the optical frame of the left camera (REP 103: x right, y down, z forward).

    Args:
        depth: ``[H, W]`` m, NaN = unknown.

    Returns:
        ``[H, W, 3]`` float32 m, NaN in all three coordinates where the depth is unknown.

    Raises:
        ImageError: the depth does not have the camera's image size.
    """
    require_camera_size(depth.shape, camera)
    x_over_z, y_over_z = ray_slopes(camera)
    points = np.empty((*depth.shape, 3), dtype=np.float32)
    np.multiply(depth, x_over_z[None, :], out=points[..., 0])
    np.multiply(depth, y_over_z[:, None], out=points[..., 1])
    points[..., 2] = depth
    return points


def ray_slopes(camera: StereoCamera) -> tuple[Float32Array, Float32Array]:
    """``X / Z`` of every column ``[W]`` and ``Y / Z`` of every row ``[H]`` of the left image."""
    x_over_z = (np.arange(camera.width, dtype=np.float32) - np.float32(camera.cx_left)) / np.float32(camera.f)
    y_over_z = (np.arange(camera.height, dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    return x_over_z, y_over_z


def require_camera_size(shape: tuple[int, ...], camera: StereoCamera) -> None:
    """Raises `ImageError` where an image of ``shape`` (rows, columns) is not one of the camera's."""
    if shape != (camera.height, camera.width):
        raise ImageError(
            f"image is {shape[1]}x{shape[0]} px but the camera is {camera.width}x{camera.height} px: they must agree"
        )

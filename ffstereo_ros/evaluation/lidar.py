"""A lidar's points as a sparse depth image of the left camera: static transforms, projection, hidden points."""

from __future__ import annotations

from collections import deque
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import CalibrationError, InputFileError

Float32Array = NDArray[np.float32]
Matrix = NDArray[np.float64]

# A lidar looks over objects that hide things from the camera. A point further than 10 % behind the nearest one in a
# window of 15x7 px (lidar rows lie further apart than its columns) is taken as hidden.
_WINDOW, _HIDDEN = (7, 15), 1.1


class StaticTransforms:
    """The tree of ``/tf_static``."""

    def __init__(self) -> None:
        self._edges: dict[str, dict[str, Matrix]] = {}

    def add(self, message: Any) -> None:
        """Takes every transform of a tf2_msgs/TFMessage."""
        for stamped in message.transforms:
            matrix = _matrix(stamped.transform)
            parent, child = stamped.header.frame_id.strip("/"), stamped.child_frame_id.strip("/")
            self._edges.setdefault(parent, {})[child] = matrix
            self._edges.setdefault(child, {})[parent] = np.asarray(np.linalg.inv(matrix), dtype=np.float64)

    def between(self, target: str, source: str) -> Matrix:
        """``[4, 4]`` that takes points of the frame ``source`` into the frame ``target``.

        Raises:
            CalibrationError: the two are not connected.
        """
        target, source = target.strip("/"), source.strip("/")
        reached, queue = {target: np.eye(4)}, deque([target])
        while queue and source not in reached:
            frame = queue.popleft()
            for neighbour, matrix in self._edges.get(frame, {}).items():
                if neighbour not in reached:
                    reached[neighbour] = reached[frame] @ matrix
                    queue.append(neighbour)
        if source not in reached:
            raise CalibrationError(
                f"no static transform connects {source} (points) and {target} (left camera): record /tf_static"
            )
        return reached[source]


def _matrix(transform: Any) -> Matrix:
    """Translation and unit quaternion as ``[4, 4]`` (REP 103: x, y, z, w)."""
    q, t = transform.rotation, transform.translation
    x, y, z, w = (np.array([q.x, q.y, q.z, q.w]) / np.linalg.norm([q.x, q.y, q.z, q.w])).tolist()
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = (t.x, t.y, t.z)
    return matrix


def cloud_points(message: Any) -> Matrix:
    """The finite points ``[N, 3]`` m of a sensor_msgs/PointCloud2 with float32 or float64 coordinates.

    Raises:
        InputFileError: x, y or z is missing or no float, or data is too short.
    """
    fields = {entry.name: entry for entry in message.fields}
    kinds = {7: "f4", 8: "f8"}
    if any(name not in fields or fields[name].datatype not in kinds for name in ("x", "y", "z")):
        raise InputFileError(f"point cloud has fields {', '.join(fields)}: x, y and z as float32 or float64 are needed")
    order = ">" if message.is_bigendian else "<"
    layout = np.dtype(
        {
            "names": ["x", "y", "z"],
            "formats": [order + kinds[fields[name].datatype] for name in ("x", "y", "z")],
            "offsets": [fields[name].offset for name in ("x", "y", "z")],
            "itemsize": message.point_step,
        }
    )
    data = np.asarray(message.data, dtype=np.uint8)
    if data.size < message.height * message.row_step:
        raise InputFileError(f"point cloud has {data.size} bytes but needs {message.height * message.row_step}")
    rows = data[: message.height * message.row_step].reshape(message.height, message.row_step)
    packed = np.ascontiguousarray(rows[:, : message.width * message.point_step]).reshape(-1).view(layout)
    points = np.stack([packed[name].astype(np.float64) for name in ("x", "y", "z")], axis=1)
    return np.asarray(points[np.isfinite(points).all(axis=1)])


def project(points: Matrix, to_camera: Matrix, camera: StereoCamera) -> Float32Array:
    """Sparse depth ``[H, W]`` m of the left camera, NaN between the points.

    Args:
        points: ``[N, 3]`` m in the lidar's frame.
        to_camera: ``[4, 4]`` into the left optical frame.
    """
    moved = to_camera[:3, :3] @ points.T + to_camera[:3, 3:]
    x, y, z = (np.asarray(axis, dtype=np.float64) for axis in moved)
    ahead = z > 0.1
    x, y, z = x[ahead], y[ahead], z[ahead]
    u = np.rint(camera.f * x / z + camera.cx_left).astype(np.intp)
    v = np.rint(camera.fy * y / z + camera.cy).astype(np.intp)
    inside = (u >= 0) & (v >= 0) & (u < camera.width) & (v < camera.height)
    u, v, z = u[inside], v[inside], z[inside]
    depth = np.full((camera.height, camera.width), np.inf, dtype=np.float32)
    np.minimum.at(depth, (v, u), z.astype(np.float32))
    nearest = cv2.erode(depth, np.ones((_WINDOW[1], _WINDOW[0]), np.uint8))
    visible = np.isfinite(depth) & (depth / _HIDDEN <= np.asarray(nearest))
    return np.where(visible, depth, np.float32(np.nan))

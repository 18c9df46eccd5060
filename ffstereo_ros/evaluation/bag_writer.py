"""Results as a new mcap recording: disparity, depth and its CameraInfo, stamped as the images they came from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.geometry import depth_from_disparity
from ffstereo_ros.core.matcher import StereoResult
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.bag_frames import StereoFrame, info_with_ros2_names
from ffstereo_ros.files.whole import naming

Float32Array = NDArray[np.float32]

OUTPUTS = ("disparity", "depth", "confidence")
_DISPARITY, _IMAGE, _INFO = "stereo_msgs/msg/DisparityImage", "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"


def free_path(wanted: Path) -> Path:
    """The path itself, or with ``_2``, ``_3``... behind it where something is there already: nothing is overwritten."""
    number, path = 1, wanted
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.name}_{number}")
    return path


class ResultBag:
    """Writes results frame by frame, compressed by chunk (zstd), on the topics a node of this package would use.

    Args:
        path: a folder that does not exist yet.
        namespace: in front of ``disparity``, ``depth/image_rect``, ``depth/camera_info``, ``confidence``.
        outputs: which of ``OUTPUTS`` are written.

    Attributes:
        frames: written so far.

    Raises:
        InputFileError: the folder exists.
    """

    def __init__(self, path: Path, namespace: str, outputs: tuple[str, ...]) -> None:
        from rosbags.typesys import Stores, get_typestore

        if path.exists():
            raise InputFileError(f"{path}: exists already; nothing is overwritten, choose another --result-bag")
        self.path, self._namespace, self._outputs = path, namespace, outputs
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._connections: dict[str, Any] = {}
        self._writer: Any = None
        self.frames = 0

    def __enter__(self) -> ResultBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes properly however the run ended: what was written can be read.

        Raises:
            InputFileError: the disk is full: what was written cannot be read.
        """
        if self._writer is None:
            return
        try:
            with naming(self.path):
                self._writer.close()
        except InputFileError:
            with suppress(OSError):
                self._writer.abort()
            raise

    def _open(self) -> None:
        """Makes the bag with its first message: a run without a result leaves none."""
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

        try:
            self._writer = Writer(self.path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except Exception as error:
            self._writer = None
            raise InputFileError(f"{self.path}: the result bag cannot be made ({error})") from error

    def write(self, frame: StereoFrame, result: StereoResult) -> None:
        """Adds one frame; depth only where the frame has a camera.

        Raises:
            InputFileError: the bag cannot be made, or the disk is full.
        """
        header = self._header(frame)
        messages: dict[str, tuple[str, Any]] = {}
        if "disparity" in self._outputs and frame.camera is not None:
            messages["disparity"] = (_DISPARITY, self._disparity(header, frame.camera, result))
        if "depth" in self._outputs and frame.camera is not None:
            depth = depth_from_disparity(result.disparity, frame.camera)
            messages["depth/image_rect"] = (_IMAGE, self._float_image(header, depth))
            messages["depth/camera_info"] = (_INFO, self._info(header, frame.left_info))
        if "confidence" in self._outputs and result.confidence is not None:
            messages["confidence"] = (_IMAGE, self._float_image(header, result.confidence))
        if messages and self._writer is None:
            self._open()
        with naming(self.path):
            for name, (kind, message) in messages.items():
                self._writer.write(self._connection(name, kind), frame.logged, self._store.serialize_cdr(message, kind))
        self.frames += bool(messages)

    def _connection(self, name: str, kind: str) -> Any:
        if name not in self._connections:
            topic = f"{self._namespace}/{name}"
            self._connections[name] = self._writer.add_connection(topic, kind, typestore=self._store)
        return self._connections[name]

    def _header(self, frame: StereoFrame) -> Any:
        types = self._store.types
        stamp = types["builtin_interfaces/msg/Time"](sec=frame.stamp // 10**9, nanosec=frame.stamp % 10**9)
        return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame.frame_id)

    def _float_image(self, header: Any, values: Float32Array) -> Any:
        height, width = values.shape
        data = np.ascontiguousarray(values, dtype="<f4").view(np.uint8).reshape(-1)
        return self._store.types[_IMAGE](
            header=header, height=height, width=width, encoding="32FC1", is_bigendian=0, step=4 * width, data=data
        )

    def _disparity(self, header: Any, camera: StereoCamera, result: StereoResult) -> Any:
        """``Z = f T / d`` is the message's definition: its values are ``d + cx_right - cx_left``."""
        lowest = max(camera.cx_offset, 0.0)
        values = result.disparity + np.float32(camera.cx_offset)
        values = np.where(values >= np.float32(lowest), values, np.float32(lowest - 1))
        window = self._store.types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=camera.height, width=camera.width, do_rectify=False
        )
        return self._store.types[_DISPARITY](
            header=header,
            image=self._float_image(header, values),
            f=float(camera.f),
            t=float(camera.baseline),
            valid_window=window,
            min_disparity=float(np.float32(lowest)),
            max_disparity=float(max(result.max_disparity + camera.cx_offset, lowest)),
            delta_d=0.0,
        )

    def _info(self, header: Any, info: Any) -> Any:
        """The left camera's, since depth has its pixels."""
        info = info_with_ros2_names(info)
        roi = info.roi
        region = self._store.types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=roi.x_offset, y_offset=roi.y_offset, height=roi.height, width=roi.width, do_rectify=roi.do_rectify
        )
        arrays = {name: np.asarray(getattr(info, name), dtype=np.float64) for name in ("d", "k", "r", "p")}
        return self._store.types[_INFO](
            header=header,
            height=info.height,
            width=info.width,
            distortion_model=info.distortion_model,
            **arrays,
            binning_x=info.binning_x,
            binning_y=info.binning_y,
            roi=region,
        )

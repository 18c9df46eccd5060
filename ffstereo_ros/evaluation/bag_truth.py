"""Truth recorded beside the images: a disparity, a depth image or a lidar, as the true disparity of a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.bag_frames import StereoFrame, stamp_of
from ffstereo_ros.evaluation.bags import Bag
from ffstereo_ros.evaluation.lidar import StaticTransforms, cloud_points, project

Float32Array = NDArray[np.float32]

DISPARITY, IMAGE, CLOUD = "stereo_msgs/msg/DisparityImage", "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2"
TF_TYPE = "tf2_msgs/msg/TFMessage"

# What the node, the result bags of evaluate-bag and stereo_image_proc call their answers.
_OWN = ("disparity", "depth/image_rect", "points2")


def find_truth(types: dict[str, str], namespace: str, named: str = "") -> tuple[str, str]:
    """The topic to judge against: the named one, else the first disparity, depth image or cloud; empty if none.

    Under the names of ``_OWN`` in the pair's namespace stands what some matcher, this package's above all, answered
    for this very pair: it is no truth unless it is named as one.

    Returns:
        The topic, and where it is empty, why.

    Raises:
        InputFileError: the named topic is not there, or of a type that holds no depth.
    """
    if named:
        if types.get(named) not in (DISPARITY, IMAGE, CLOUD):
            raise InputFileError(
                f"--truth {named}: {types.get(named, 'no such topic in the bag')}; a DisparityImage, a depth Image "
                "or a PointCloud2 is needed, or 'none'"
            )
        return named, ""
    own = [name for name in (f"{namespace}/{output}" for output in _OWN) if name in types]
    others = {name: kind for name, kind in types.items() if name not in own}
    disparities = [name for name, kind in others.items() if kind == DISPARITY]
    depths = [name for name, kind in others.items() if kind == IMAGE and "depth" in name.lower()]
    clouds = [name for name, kind in others.items() if kind == CLOUD and TF_TYPE in types.values()]
    found = next(iter(disparities + depths + clouds), "")
    return found, "" if found else _why_none(own)


def _why_none(own: list[str]) -> str:
    if own:
        return (
            f"no truth: {', '.join(own)} are named as a matcher's own answers for this pair; where they come from "
            "another sensor, say so with --truth TOPIC"
        )
    return "no truth: the bag has no DisparityImage, no depth Image, and no PointCloud2 with /tf_static"


class BagTruth:
    """True disparities by stamp, from one topic; holds two messages. Its bag is read by nobody else at the time.

    The topic's message nearest in time is taken, if it is within the tolerance. A depth image must have the left
    camera's pixels (aligned to it); a lidar's points are carried by ``/tf_static`` and are not corrected for motion.

    Attributes:
        notes: what the reader of the report should know.
    """

    def __init__(self, bag: Bag, topic: str, *, tolerance: float) -> None:
        self.topic, self.kind = topic, bag.types[topic]
        self.notes: set[str] = set()
        self._tolerance = round(tolerance * 1e9)
        self._messages: Iterator[tuple[str, int, Any]] = bag.messages(topic)
        self._before: Any = None
        self._after: Any = None
        self._transforms = _static_transforms(bag) if self.kind == CLOUD else StaticTransforms()

    def disparity(self, frame: StereoFrame) -> Float32Array | None:
        """The truth ``[H, W]`` px at a frame, NaN where there is none; None without a message near its stamp."""
        message = self._nearest(frame.stamp)
        if message is None:
            return None
        if self.kind != DISPARITY and frame.camera is None:
            self.notes.add(f"{self.topic} cannot be compared: {frame.camera_trouble}")
            return None
        truth = _READERS[self.kind](self, message, frame)
        shape = None if truth is None else truth.shape
        if shape is not None and shape != frame.left.shape[:2]:
            self.notes.add(
                f"{self.topic} is {shape[1]}x{shape[0]} px but the left image "
                f"{frame.left.shape[1]}x{frame.left.shape[0]} px: record it aligned to the left camera"
            )
            return None
        return truth

    def _nearest(self, stamp: int) -> Any:
        """Stamps rise within a topic: the message before the stamp and the one after it are enough."""
        while self._after is None or stamp_of(self._after) < stamp:
            following = next(self._messages, None)
            if following is None:
                break
            self._before, self._after = self._after, following[2]
        candidates = [message for message in (self._before, self._after) if message is not None]
        best = min(candidates, key=lambda message: abs(stamp_of(message) - stamp), default=None)
        return best if best is not None and abs(stamp_of(best) - stamp) <= self._tolerance else None

    def _from_disparity(self, message: Any, frame: StereoFrame) -> Float32Array:
        """``d = f T / Z`` is stored; the pair's own disparity is that minus ``cx_right - cx_left``."""
        values = float_values(message.image)
        known = np.isfinite(values) & (values >= message.min_disparity) & (values > 0)
        offset = 0.0 if frame.camera is None else frame.camera.cx_offset
        return np.where(known, values - np.float32(offset), np.float32(np.nan))

    def _from_depth(self, message: Any, frame: StereoFrame) -> Float32Array | None:
        if message.encoding not in ("32FC1", "16UC1", "mono16"):
            self.notes.add(f"{self.topic} has encoding {message.encoding}: a depth image is 32FC1 m or 16UC1 mm")
            return None
        if message.header.frame_id != frame.frame_id:
            self.notes.add(
                f"{self.topic} is in frame {message.header.frame_id}, the left image in {frame.frame_id}: "
                "taken as aligned to the left camera"
            )
        values = float_values(message)
        depth = values if message.encoding == "32FC1" else values / np.float32(1000)
        return disparity_from_depth(depth, frame.camera)

    def _from_cloud(self, message: Any, frame: StereoFrame) -> Float32Array | None:
        assert frame.camera is not None
        to_camera = self._transforms.between(frame.frame_id, message.header.frame_id)
        return disparity_from_depth(project(cloud_points(message), to_camera, frame.camera), frame.camera)


_READERS: dict[str, Callable[[BagTruth, Any, StereoFrame], Float32Array | None]] = {
    DISPARITY: BagTruth._from_disparity,
    IMAGE: BagTruth._from_depth,
    CLOUD: BagTruth._from_cloud,
}


def float_values(image: Any) -> Float32Array:
    """A 32FC1 or 16-bit image message as float32 ``[H, W]``, padding of its rows removed.

    Raises:
        InputFileError: data is too short for the size.
    """
    size = 4 if image.encoding == "32FC1" else 2
    kind = (">" if image.is_bigendian else "<") + ("f4" if size == 4 else "u2")
    data = np.asarray(image.data, dtype=np.uint8)
    if image.step < image.width * size or data.size < image.height * image.step:
        raise InputFileError(f"depth image of {image.width}x{image.height} px has {data.size} bytes: it is truncated")
    rows = data[: image.height * image.step].reshape(image.height, image.step)[:, : image.width * size]
    return np.ascontiguousarray(rows).view(kind).astype(np.float32)


def disparity_from_depth(depth: Float32Array, camera: StereoCamera | None) -> Float32Array:
    """``d = f B / Z - (cx_right - cx_left)`` px ``[H, W]``; NaN where the depth is unknown or not positive."""
    assert camera is not None
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.isfinite(depth) & (depth > 0)
        disparity = np.float32(camera.focal_baseline) / depth - np.float32(camera.cx_offset)
    return np.where(known, disparity, np.float32(np.nan)).astype(np.float32)


def _static_transforms(bag: Bag) -> StaticTransforms:
    transforms = StaticTransforms()
    topics = [name for name, kind in bag.types.items() if kind == TF_TYPE and name.endswith("tf_static")]
    for _, _, message in bag.messages(*topics) if topics else ():
        transforms.add(message)
    return transforms

"""Every stereo pair of a recording, decoded by the node's own functions, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.evaluation.bags import Bag, StereoTopics
from ffstereo_ros.evaluation.pairing import LEFT, RIGHT, Pairing

Uint8Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Decoders:
    """How messages become arrays; the node's own functions, handed in.

    Attributes:
        images: from the left and right message, raw or compressed, to two uint8 ``[H, W, 3]`` RGB images.
        camera: from both CameraInfo and the image's width and height in px to the camera.
    """

    images: Callable[[Any, Any], tuple[Uint8Image, Uint8Image]]
    camera: Callable[[Any, Any, int, int], StereoCamera]


@dataclass
class StreamCounts:
    """What the stream met: pairs given out, images left without a partner, frames refused by reason."""

    frames: int = 0
    unpaired_left: int = 0
    unpaired_right: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    def refuse(self, reason: str) -> None:
        """Counts a frame that could not be used; at most 20 reasons are told apart."""
        reason = reason if reason in self.refused or len(self.refused) < 20 else "other reasons"
        self.refused[reason] = self.refused.get(reason, 0) + 1


@dataclass(frozen=True)
class StereoFrame:
    """One pair.

    Attributes:
        stamp: of the left image's header, ns.
        logged: time at which the bag received it, ns.
        left, right: uint8 ``[H, W, 3]`` RGB.
        camera: or None where there is no usable calibration.
        camera_trouble: why, or empty.
        frame_id: of the left image.
        left_info: CameraInfo message, or None.
    """

    stamp: int
    logged: int
    left: Uint8Image
    right: Uint8Image
    camera: StereoCamera | None
    camera_trouble: str
    frame_id: str
    left_info: Any


class FrameStream:
    """Every stereo pair of a bag, one at a time; memory does not grow with the bag.

    Args:
        tolerance: largest difference between left and right stamp, s; within it each image is paired with its nearest.

    Attributes:
        counts: what has been met so far.
    """

    def __init__(self, bag: Bag, topics: StereoTopics, decoders: Decoders, *, tolerance: float = 0.0) -> None:
        self._bag, self._topics, self._decoders = bag, topics, decoders
        self._pairing: Pairing[tuple[int, Any]] = Pairing(round(tolerance * 1e9))
        self._infos: dict[str, Any] = {}
        self.counts = StreamCounts()

    def __iter__(self) -> Iterator[StereoFrame]:
        topics = self._topics
        self._infos = {
            name: message for name in (topics.left_info, topics.right_info) if (message := self._first(name))
        }
        sides = {topics.left: LEFT, topics.right: RIGHT}
        for topic, logged, message in self._bag.messages(*filter(None, vars(topics).values())):
            if topic in sides:
                yield from self._frames(self._pairing.add(sides[topic], stamp_of(message), (logged, message)))
            else:
                self._infos[topic] = message
        yield from self._frames(self._pairing.finish())

    def _first(self, topic: str) -> Any:
        """The first message: a calibration recorded after its first image holds for that image too."""
        return next((message for _, _, message in self._bag.messages(topic)), None) if topic else None

    def _frames(self, pairs: list[tuple[int, tuple[int, Any], tuple[int, Any]]]) -> Iterator[StereoFrame]:
        self.counts.unpaired_left, self.counts.unpaired_right = self._pairing.unpaired
        for stamp, (left_logged, left), (right_logged, right) in pairs:
            frame = self._frame(stamp, max(left_logged, right_logged), left, right)
            if frame is not None:
                self.counts.frames += 1
                yield frame

    def _frame(self, stamp: int, logged: int, left: Any, right: Any) -> StereoFrame | None:
        try:
            images = self._decoders.images(left, right)
        except FFStereoError as error:
            self.counts.refuse(str(error))
            return None
        camera, trouble = self._camera(images[0])
        info = self._infos.get(self._topics.left_info)
        return StereoFrame(stamp, logged, *images, camera, trouble, str(left.header.frame_id), info)

    def _camera(self, left: Uint8Image) -> tuple[StereoCamera | None, str]:
        infos = [self._infos.get(name) for name in (self._topics.left_info, self._topics.right_info)]
        if None in infos:
            return None, "the bag has no CameraInfo for both cameras: depth is not computed"
        try:
            named = [info_with_ros2_names(info) for info in infos]
            return self._decoders.camera(named[0], named[1], left.shape[1], left.shape[0]), ""
        except FFStereoError as error:
            return None, str(error)


def stamp_of(message: Any) -> int:
    """Header stamp, ns."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def info_with_ros2_names(info: Any) -> Any:
    """ROS 1 writes D, K, R, P in capitals; the rest of the world here does not."""
    if hasattr(info, "p"):
        return info

    class _Info:
        def __getattr__(self, name: str) -> Any:
            return getattr(info, name.upper() if name in ("d", "k", "r", "p") else name)

    return _Info()

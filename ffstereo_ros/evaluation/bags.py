"""A recording, ROS 2 (mcap, sqlite3) or ROS 1, and the topics of its stereo pair, found by type and name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ffstereo_ros.errors import FFStereoError, InputFileError, MissingDependencyError
from ffstereo_ros.evaluation.bag_damage import first_line, refusal

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
# Words by which drivers tell left from right; the first that gives a pair is taken.
_SIDES = (("left", "right"), ("infra1", "infra2"), ("cam0", "cam1"), ("camera0", "camera1"), ("image_0", "image_1"))
# Words in image topics that are no camera's picture.
_NOT_A_PICTURE = ("depth", "disparity", "confidence", "mask", "theora")


@dataclass(frozen=True)
class StereoTopics:
    """The four topics of a pair; an info may be empty where the bag has none."""

    left: str
    right: str
    left_info: str
    right_info: str

    @property
    def namespace(self) -> str:
        """Where results belong: ``/stereo`` for ``/stereo/left/image_rect``."""
        parts = self.left.strip("/").split("/")
        common = [a for a, b in zip(parts, self.right.strip("/").split("/")) if a == b]
        depth = next((i for i, part in enumerate(parts) if part not in common), max(len(parts) - 1, 0))
        return "".join(f"/{part}" for part in parts[:depth])


class Bag:
    """An open recording; use it in a ``with`` block.

    Raises:
        InputFileError: no such bag, damaged, or of an unknown kind.
        MissingDependencyError: rosbags is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise MissingDependencyError("rosbags is not installed: pip install rosbags (bags need it)") from error
        self.path = path
        try:
            self._reader = AnyReader([path], default_typestore=get_typestore(Stores.LATEST))
        except Exception as error:
            raise refusal(path, error) from error

    def __enter__(self) -> Bag:
        try:
            self._reader.open()
        except Exception as error:
            raise refusal(self.path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    @property
    def types(self) -> dict[str, str]:
        """Topic to message type, in the order of their names."""
        return {name: info.msgtype or "" for name, info in sorted(self._reader.topics.items())}

    def count(self, topic: str) -> int:
        """Messages of a topic."""
        return int(self._reader.topics[topic].msgcount)

    @property
    def seconds(self) -> float:
        """Length, s."""
        return max(self._reader.duration, 0) / 1e9

    def qos(self, topic: str) -> list[str]:
        """Offered reliability and depth of a topic's publishers as recorded, for people."""
        found = []
        for connection in self._reader.topics[topic].connections:
            for profile in getattr(connection.ext, "offered_qos_profiles", None) or []:
                reliability, depth = getattr(profile, "reliability", None), getattr(profile, "depth", None)
                found.append(f"{getattr(reliability, 'name', reliability)} depth {depth}".lower())
        return found

    def messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """Topic, time of recording in ns and message, in the order of recording; one at a time.

        Raises:
            InputFileError: the bag is damaged from here on.
        """
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:
            return
        try:
            for connection, logged, raw in self._reader.messages(connections=connections):
                yield connection.topic, logged, self._reader.deserialize(raw, connection.msgtype)
        except FFStereoError:
            raise
        except Exception as error:
            raise InputFileError(f"{self.path}: damaged: {first_line(error)}") from error


def find_topics(types: dict[str, str], *, left: str = "", right: str = "") -> StereoTopics:
    """The pair's topics by type and name; named ones are taken as they are.

    Rectified images (``rect`` in the name) go before raw ones, uncompressed before compressed.

    Raises:
        InputFileError: nothing that looks like a pair, or a named topic is not there.
    """
    images = [name for name, kind in types.items() if kind in IMAGE_TYPES]
    for name in filter(None, (left, right)):
        if name not in images:
            raise InputFileError(
                f"topic {name}: not an image topic of this bag; those are {', '.join(images) or 'none'}"
            )
    if bool(left) != bool(right):
        raise InputFileError("--left-topic and --right-topic: give both or neither")
    pair = (left, right) if left else _best_pair(images, types)
    infos = [_info_beside(name, types) for name in pair]
    return StereoTopics(*pair, *infos)


def _best_pair(images: list[str], types: dict[str, str]) -> tuple[str, str]:
    pictures = [name for name in images if not any(word in name.lower() for word in _NOT_A_PICTURE)]
    pairs = [
        (name, partner)
        for left, right in _SIDES
        for name in pictures
        if left in name and (partner := name.replace(left, right)) in pictures
    ]
    if not pairs:
        raise InputFileError(
            f"no stereo pair among the image topics {', '.join(images) or '(there are none)'}: "
            "name them with --left-topic and --right-topic"
        )
    return min(pairs, key=lambda pair: ("rect" not in pair[0], types[pair[0]] != IMAGE_TYPES[0], "color" in pair[0]))


def _info_beside(image: str, types: dict[str, str]) -> str:
    """The CameraInfo topic nearest above an image: ``/left/camera_info`` for ``/left/image_rect/compressed``."""
    parts = image.split("/")
    for length in range(len(parts) - 1, 0, -1):
        candidate = "/".join([*parts[:length], "camera_info"])
        if types.get(candidate) == INFO_TYPE:
            return candidate
    return ""

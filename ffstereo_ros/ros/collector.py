"""Listens to a stereo node and keeps what came: the serialised messages, and the node's own account of itself."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

INPUTS: dict[str, type] = {
    "left/image_rect": Image,
    "left/camera_info": CameraInfo,
    "right/image_rect": Image,
    "right/camera_info": CameraInfo,
}
OUTPUTS: dict[str, type] = {
    "disparity": DisparityImage,
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "points2": PointCloud2,
}

# Every message kept starts with a std_msgs/Header: after 4 bytes of encapsulation, seconds and nanoseconds.
_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}


@dataclass(frozen=True)
class Recorded:
    """One message as it came over the wire.

    Attributes:
        topic: without a leading slash.
        kind: its class.
        stamp: of its header, ns.
        arrived: wall-clock time, ns.
        data: serialised (CDR).
    """

    topic: str
    kind: type
    stamp: int
    arrived: int
    data: bytes


@dataclass
class Recording:
    """What came.

    Attributes:
        sets: by stamp, by topic; once enough of them are complete, messages are counted only.
        counts: messages by topic.
        status: the node's diagnostics, key to value, as last heard.
    """

    sets: dict[int, dict[str, Recorded]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    def complete(self) -> list[dict[str, Recorded]]:
        """The sets that have every topic, oldest first."""
        wanted = len(INPUTS) + len(OUTPUTS)
        return [messages for _, messages in sorted(self.sets.items()) if len(messages) == wanted]


class Collector:
    """A node in a context of its own; spin it with ``wait_for``.

    Args:
        keep: how many complete sets to keep.
    """

    def __init__(self, *, domain: int, keep: int = 10) -> None:
        self.recording = Recording()
        self._keep = keep
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node("demo_collector", context=self._context)
        for topic, kind in INPUTS.items():
            self._listen(topic, kind, qos_profile_sensor_data)
        for topic, kind in OUTPUTS.items():
            self._listen(topic, kind, QoSProfile(depth=5))
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._take_status, 10)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def wait_for(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Listens until the condition holds (True) or the time is over (False)."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=0.1)
        return True

    def _listen(self, topic: str, kind: type, qos: QoSProfile) -> None:
        self.recording.counts[topic] = 0

        def take(data: bytes) -> None:
            self._take(topic, kind, data)

        # Serialised: a cloud is unpacked once, when it is looked at, and goes into the bag as it came.
        self._node.create_subscription(kind, topic, take, qos, raw=True)

    def _take(self, topic: str, kind: type, data: bytes) -> None:
        self.recording.counts[topic] += 1
        if len(self.recording.complete()) >= self._keep:
            return
        seconds, nanoseconds = _STAMP[data[1]].unpack_from(data, 4)
        stamp = seconds * 1_000_000_000 + nanoseconds
        self.recording.sets.setdefault(stamp, {})[topic] = Recorded(topic, kind, stamp, time.time_ns(), data)

    def _take_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.recording.status = {pair.key: pair.value for pair in status.values}

"""One run of the demo: player and node as processes of their own, and what the node published for the pair."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs_py.point_cloud2 import read_points

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.demo.table import Traffic
from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros.collector import Collector, Recorded, Recording
from ffstereo_ros.ros.processes import ModuleProcess

Float32Array = NDArray[np.float32]

_RATE_HZ = 10.0
_START_S = 90.0
_LAST_FRAME_S = 60.0
_ACCOUNT_S = 5.0


@dataclass(frozen=True)
class Published:
    """One set of the node's answers, unpacked.

    Attributes:
        disparity: ``[H, W]`` px of the left image, NaN = unknown; the principal-point term is taken out again.
        depth: ``[H, W]`` m, NaN = unknown.
        points: ``[H, W, 3]`` m, NaN = unknown.
        colours: uint8 ``[H, W, 3]`` RGB.
    """

    disparity: Float32Array
    depth: Float32Array
    points: Float32Array
    colours: NDArray[np.uint8]


def play(
    backend: str, *, count: int, environment: dict[str, str], logs: Path, tell: Callable[[int, int], None]
) -> tuple[Recording, Traffic]:
    """Sends ``count`` pairs through a node with this backend.

    Args:
        backend: value of the node's parameter.
        count: pairs to send, at 10 Hz.
        environment: of a private graph.
        logs: folder for the output of both processes.
        tell: called with pairs answered and ``count`` while it runs.

    Raises:
        BackendError: a process died, or no complete set came; the message holds what the process said last.
    """
    with ExitStack() as stack:
        collector = stack.enter_context(Collector(domain=int(environment["ROS_DOMAIN_ID"])))
        node = stack.enter_context(_start_node(backend, environment, logs))
        player = stack.enter_context(_start_player(count, environment, logs))
        run = _Run(collector, node, player, count, tell)
        run.until_played()
        run.until_answered()
        return collector.recording, _traffic(collector.recording, count)


def _start_node(backend: str, environment: dict[str, str], logs: Path) -> ModuleProcess:
    arguments = ["--ros-args", "-p", f"backend:={backend}"]
    return ModuleProcess("node", "ffstereo_ros.ros.main", arguments, environment, logs / f"node_{backend}.log")


def _start_player(count: int, environment: dict[str, str], logs: Path) -> ModuleProcess:
    # Node and collector both listen to the inputs: nothing is sent before both are there.
    values = {"rate": _RATE_HZ, "count": count, "subscribers": 2}
    arguments = ["--ros-args", *(word for name, value in values.items() for word in ("-p", f"{name}:={value}"))]
    return ModuleProcess("player", "ffstereo_ros.ros.player", arguments, environment, logs / "player.log")


@dataclass
class _Run:
    """Waits, and fails at once with a process's own words where one dies."""

    collector: Collector
    node: ModuleProcess
    player: ModuleProcess
    count: int
    tell: Callable[[int, int], None]

    def until_played(self) -> None:
        counts = self.collector.recording.counts
        if not self.collector.wait_for(lambda: self._alive() and counts["left/image_rect"] > 0, seconds=_START_S):
            raise BackendError(f"no image was sent within {_START_S:g} s; the node said:\n{self.node.tail()}")
        seconds = 2 * self.count / _RATE_HZ + 10
        if not self.collector.wait_for(lambda: self._alive() and self.player.status is not None, seconds=seconds):
            raise BackendError(f"the player did not end in {seconds:g} s; it said:\n{self.player.tail()}")

    def until_answered(self) -> None:
        recording = self.collector.recording
        if not self.collector.wait_for(lambda: self._alive() and bool(recording.complete()), seconds=_LAST_FRAME_S):
            raise BackendError(f"no complete answer came; messages by topic: {recording.counts}; {self.node.tail()}")
        # The node's own account comes once a second: wait for the one in which every set has ended.
        began = time.monotonic()
        self.collector.wait_for(
            lambda: time.monotonic() - began > 1.5 and self._alive() and _settled(recording), seconds=_ACCOUNT_S
        )

    def _alive(self) -> bool:
        if self.node.status is not None:
            raise BackendError(f"the node ended with status {self.node.status}; it said:\n{self.node.tail()}")
        if self.player.status not in (None, 0):
            raise BackendError(f"the player ended with status {self.player.status}; it said:\n{self.player.tail()}")
        self.tell(self.collector.recording.counts["disparity"], self.count)
        return True


def _settled(recording: Recording) -> bool:
    status = recording.status
    return "sets" in status and int(status["sets"]) == int(status["published"]) + _dropped(status)


def _dropped(status: dict[str, str]) -> int:
    return sum(int(value) for key, value in status.items() if key.startswith("dropped_"))


def _traffic(recording: Recording, sent: int) -> Traffic:
    status = recording.status
    return Traffic(
        sent=sent,
        into=int(status.get("sets", 0)),
        out=int(status.get("published", 0)),
        dropped=_dropped(status),
        p50=float(status.get("stamp_to_publish_p50_ms", "nan")),
        p95=float(status.get("stamp_to_publish_p95_ms", "nan")),
    )


def unpack(messages: dict[str, Recorded], camera: StereoCamera) -> Published:
    """A complete set as arrays."""
    disparity, depth, cloud = (_read(messages[topic]) for topic in ("disparity", "depth/image_rect", "points2"))
    values = _pixels(disparity.image)
    # DisparityImage holds d + cx_right - cx_left, so that Z = f T / d; below min_disparity is unknown.
    raw = np.where(values >= np.float32(disparity.min_disparity), values - np.float32(camera.cx_offset), np.nan)
    points = read_points(cloud, field_names=("x", "y", "z", "rgb")).reshape(cloud.height, cloud.width)
    packed = np.ascontiguousarray(points["rgb"]).view(np.uint32)
    return Published(
        disparity=raw.astype(np.float32),
        depth=_pixels(depth),
        points=np.stack([points[axis] for axis in "xyz"], axis=-1).astype(np.float32),
        colours=np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8),
    )


def _read(recorded: Recorded) -> Any:
    return deserialize_message(recorded.data, recorded.kind)


def _pixels(image: Any) -> Float32Array:
    """A 32FC1 message as ``[H, W]``."""
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)[:, : 4 * image.width]
    return np.ascontiguousarray(rows).view("<f4")

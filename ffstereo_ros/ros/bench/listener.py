"""Subscribes to every output, notes when each message came, and writes that as JSON when it is told to stop.

A process of its own: Fast DDS reads its profile once in a process.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from ffstereo_ros.ros.outputs import TYPES

READY = "every output has a publisher"

# Every output starts with a std_msgs/Header: after 4 bytes of encapsulation (little-endian), seconds and nanoseconds.
_STAMP = struct.Struct("<iI")


class Listener(Node):
    """Serialised subscriptions: reading the stamp costs nothing, whatever the size.

    Attributes:
        arrivals: by topic, ``(stamp, arrival)`` in ns of the system clock.
        status: the node's diagnostics as last heard.
    """

    def __init__(self) -> None:
        super().__init__("listener")
        self.arrivals: dict[str, list[tuple[int, int]]] = {topic: [] for topic in TYPES}
        self.status: dict[str, str] = {}
        for topic, kind in TYPES.items():
            self.create_subscription(kind, topic, self._noting(self.arrivals[topic]), 5, raw=True)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self._waiting = self.create_timer(0.2, self._look)

    def _noting(self, arrivals: list[tuple[int, int]]):  # type: ignore[no-untyped-def]
        def note(data: bytes) -> None:
            seconds, nanoseconds = _STAMP.unpack_from(data, 4)
            arrivals.append((seconds * 1_000_000_000 + nanoseconds, time.time_ns()))

        return note

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status = {each.key: each.value for each in status.values}

    def _look(self) -> None:
        if self.status and min(self.count_publishers(topic) for topic in TYPES) > 0:
            print(READY, flush=True)
            self.destroy_timer(self._waiting)


def main() -> int:
    """Listens until SIGINT, then writes the file named by the first argument."""
    signal.signal(signal.SIGINT, lambda *_: None)  # rclpy's own handler ends the spinning
    rclpy.init()
    listener = Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(listener)
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    finally:
        result = {"arrivals": listener.arrivals, "status": listener.status}
        Path(sys.argv[1]).write_text(json.dumps(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

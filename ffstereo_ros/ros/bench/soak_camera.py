"""The camera of the soak: noise, one frame in a hundred broken, and a clock that jumps back; totals as JSON at the end.

Arguments: WIDTH HEIGHT FILE. Parameters: ``rate`` (Hz), ``bad_share``, ``jump_every`` (s).
"""

from __future__ import annotations

import json
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ffstereo_ros.ros.bench.player import noise_pair
from ffstereo_ros.ros.player import FRAME, camera_infos, rgb_image
from ffstereo_ros.ros.synchronisation import INPUTS

# Whoever knows this can tell a latency from any stamp: it is the time since the stamp, less a multiple of the jump.
JUMP_S = 1000

Frame = list[Any]


class SoakCamera(Node):
    """Sends pairs without end, best effort.

    Attributes:
        sent: good and bad sets.
        bad: broken sets by kind.
        jumps: times the clock was set back.
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__("soak_camera")
        rate = float(self.declare_parameter("rate", 30.0).value)
        self._bad_share = float(self.declare_parameter("bad_share", 0.01).value)
        every = float(self.declare_parameter("jump_every", 60.0).value)
        self.sent = self.jumps = 0
        self.bad: Counter[str] = Counter()
        self._random = random.Random(0)
        self._good = _frame(width, height)
        self._broken = {name: breaks(_frame(width, height)) for name, breaks in _FAULTS.items()}
        self._topics = [self.create_publisher(kind, topic, qos_profile_sensor_data) for topic, kind in INPUTS]
        self.create_timer(1.0 / rate, self._send)
        self.create_timer(every, self._jump)

    def _jump(self) -> None:
        self.jumps += 1

    def _send(self) -> None:
        if min(topic.get_subscription_count() for topic in self._topics) == 0:
            return
        stamp = self.get_clock().now().to_msg()
        stamp.sec -= JUMP_S * self.jumps
        header = Header(stamp=stamp, frame_id=FRAME)
        for topic, message in zip(self._topics, self._next()):
            message.header = header
            topic.publish(message)
        self.sent += 1

    def _next(self) -> Frame:
        if self._random.random() >= self._bad_share:
            return self._good
        name = self._random.choice(sorted(self._broken))
        self.bad[name] += 1
        return self._broken[name]


def _frame(width: int, height: int) -> Frame:
    """Left, right, left_info, right_info."""
    pair = noise_pair(width, height)
    return [rgb_image(pair.left), rgb_image(pair.right), *camera_infos(pair.camera)]


def _truncated(frame: Frame) -> Frame:
    frame[1].data = frame[1].data[: len(frame[1].data) // 2]
    return frame


def _another_size(frame: Frame) -> Frame:
    frame[0].height //= 2
    return frame


def _unknown_encoding(frame: Frame) -> Frame:
    frame[0].encoding = "no_such"
    return frame


def _short_step(frame: Frame) -> Frame:
    frame[1].step = 1
    return frame


def _empty(frame: Frame) -> Frame:
    return [Image(), Image(), CameraInfo(), CameraInfo()]


def _not_a_number(frame: Frame) -> Frame:
    frame[2].p[0] = float("nan")
    return frame


def _swapped(frame: Frame) -> Frame:
    frame[2], frame[3] = frame[3], frame[2]
    return frame


_FAULTS: dict[str, Callable[[Frame], Frame]] = {
    "truncated": _truncated,
    "another size": _another_size,
    "unknown encoding": _unknown_encoding,
    "short step": _short_step,
    "empty messages": _empty,
    "NaN in P": _not_a_number,
    "baseline with the wrong sign": _swapped,
}


def main() -> int:
    """Sends until SIGINT, then writes the totals."""
    signal.signal(signal.SIGINT, lambda *_: None)  # rclpy's own handler ends the spinning
    rclpy.init()
    camera = SoakCamera(int(sys.argv[1]), int(sys.argv[2]))
    executor = SingleThreadedExecutor()
    executor.add_node(camera)
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    finally:
        totals = {"sent": camera.sent, "bad": dict(camera.bad), "jumps": camera.jumps}
        Path(sys.argv[3]).write_text(json.dumps(totals), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Everybody else around the node during the soak: listeners that come and go, and callers of all its services.

Arguments: SECONDS FILE. What was called, answered and heard is written as JSON at the end.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool, Trigger

from ffstereo_ros.ros.bench.soak_camera import JUMP_S
from ffstereo_ros.ros.outputs import DISPARITY, TYPES

# Values that a running node takes, and values that it has to refuse as a whole.
CHANGES: dict[str, tuple[Any, ...]] = {
    "max_disparity": (128, 192),
    "scale": (0.5, 1.0),
    "min_depth": (0.0, 0.5),
    "max_depth": (50.0, 1000.0),
    "depth_encoding": ("32FC1", "16UC1"),
    "cloud_stride": (1, 4),
    "cloud_rate": (0.0, 5.0),
    "max_rate": (0.0, 20.0),
    "publish_cloud": (True, False),
    "roi_width": (0, 400),
    "confidence_threshold": (0.0, 0.5),
    "left_band_filter": (True, False),
    "flying_pixel_threshold": (0.0, 1.0),
    "speckle_size": (0, 50),
    "temporal_weight": (0.0, 0.5),
}
# All at once, they need the most memory.
HEAVIEST = {name: values[0] for name, values in CHANGES.items()} | {
    "max_disparity": 192,
    "scale": 1.0,
    "confidence_threshold": 0.5,
    "flying_pixel_threshold": 1.0,
    "speckle_size": 50,
    "temporal_weight": 0.5,
}
REFUSED: dict[str, Any] = {"iterations": 1000, "max_disparity": 100, "depth_encoding": "8UC1", "scale": 99.0}

OVER = "the visit is over"

_ANSWER_S = 20.0
# A node at rest gives its memory back after 10 s.
_REST_S, _WEIGHED_S = 13.0, 2.0
_STAMP = struct.Struct("<iI")
_TO_REST = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
_BACK = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)


class Guests:
    """Actions that follow one another; the executor spins in between and while one waits for an answer.

    Attributes:
        done: actions by name.
        wrong: answers that should have been others, and calls without one.
        latencies: from the stamp of a set to the arrival of its disparity, s.
        rests: from when to when, by ``time.monotonic()``, the node was unconfigured and had given its memory back.
        status: the node's diagnostics as last heard.
    """

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.latencies: list[float] = []
        self.rests: list[tuple[float, float]] = []
        self.status: dict[str, str] = {}
        self._random = random.Random(0)
        self._node = Node("soak_guests")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._subscriptions: dict[str, Any] = {}
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self._set = self._node.create_client(SetParametersAtomically, "stereo_node/set_parameters_atomically")
        self._change = self._node.create_client(ChangeState, "stereo_node/change_state")
        self._enable = self._node.create_client(SetBool, "stereo_node/enable")
        self._once = self._node.create_client(Trigger, "stereo_node/compute_once")

    def visit(self, seconds: float) -> None:
        """Does everything once, then again and again, each in its own rhythm, then lets the node come to rest."""
        began = time.monotonic()
        self.tour()
        actions: list[tuple[float, Callable[[], None]]] = [
            (1.5, lambda: self.toggle(self._random.choice([name for name in TYPES if name != DISPARITY]))),
            (2.0, self.set_parameters),
            (5.0, self.refuse_parameters),
            (11.0, self.disable_and_ask_for_one),
            (17.0, self.restart),
            (29.0, self.leave_and_come_back),
            (45.0, self.rest),
        ]
        toured = time.monotonic()
        due = [toured + period for period, _ in actions]
        while time.monotonic() < began + seconds:
            self.spin_for(0.05)
            for index, (period, action) in enumerate(actions):
                if time.monotonic() >= due[index]:
                    action()
                    due[index] = time.monotonic() + period
        self._call(self._enable, SetBool.Request(data=True))

    def tour(self) -> None:
        """Everything once, with a listener to every topic: what is allocated once is allocated in the first minute."""
        for topic in TYPES:
            self.toggle(topic)
        for name, values in CHANGES.items():
            for value in values:
                self._assign({name: value}, allowed=True)
                self.spin_for(0.3)
        self._assign(HEAVIEST, allowed=True)
        self.spin_for(3.0)
        self.disable_and_ask_for_one()
        self.restart()
        self.restart()

    def wait_for_rest(self) -> None:
        """Until the camera is gone and the node has told its last account."""
        deadline = time.monotonic() + _ANSWER_S
        while self._node.count_publishers("left/image_rect") > 0 and time.monotonic() < deadline:
            self.spin_for(0.1)
        self.status = {}
        self.spin_for(3.0)

    def spin_for(self, seconds: float) -> None:
        """Lets messages come in for a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def toggle(self, topic: str) -> None:
        """Leaves a topic, or comes to it with a reliability by chance; the disparity is always heard reliably."""
        subscription = self._subscriptions.pop(topic, None)
        if subscription is not None:
            self._node.destroy_subscription(subscription)
            self.done["subscribers gone"] += 1
            return
        best_effort = topic != DISPARITY and self._random.random() < 0.5
        kind = ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
        heard = self._heard if topic == DISPARITY else lambda _: None
        qos = QoSProfile(depth=5, reliability=kind)
        self._subscriptions[topic] = self._node.create_subscription(TYPES[topic], topic, heard, qos, raw=True)
        self.done["subscribers come"] += 1

    def leave_and_come_back(self) -> None:
        """Nobody listens for a while."""
        here = list(self._subscriptions)
        for topic in here:
            self.toggle(topic)
        self.spin_for(2.0)
        for topic in here:
            self.toggle(topic)
        self.done["nobody listened"] += 1

    def set_parameters(self) -> None:
        """Some allowed values at once."""
        names = self._random.sample(sorted(CHANGES), 3)
        self._assign({name: self._random.choice(CHANGES[name]) for name in names}, allowed=True)

    def refuse_parameters(self) -> None:
        """An allowed value and one that is not."""
        name = self._random.choice(sorted(REFUSED))
        self._assign({"min_depth": 0.25, name: REFUSED[name]}, allowed=False)

    def _assign(self, values: dict[str, Any], *, allowed: bool) -> None:
        messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        answer = self._call(self._set, SetParametersAtomically.Request(parameters=messages))
        self.done["parameters set" if allowed else "parameters refused"] += 1
        if answer is not None and answer.result.successful is not allowed:
            self.wrong.append(f"parameters {values}: successful = {answer.result.successful}, {answer.result.reason}")

    def disable_and_ask_for_one(self) -> None:
        """Switches off, has one pair computed, switches on."""
        self._call(self._enable, SetBool.Request(data=False))
        answer = self._call(self._once, Trigger.Request())
        if answer is not None and not (answer.success or answer.message):
            self.wrong.append("compute_once failed without a reason")
        self._call(self._enable, SetBool.Request(data=True))
        self.done["computed once"] += 1

    def restart(self) -> None:
        """To inactive and back, every other time by way of unconfigured."""
        whole = self.done["restarts"] % 2 == 1
        self._change_to((*_TO_REST, *_BACK) if whole else (_TO_REST[0], _BACK[-1]))
        self.done["restarts"] += 1

    def rest(self) -> None:
        """To unconfigured for a while, and back."""
        self._change_to(_TO_REST)
        self.spin_for(_REST_S)
        self.rests.append((time.monotonic() - _WEIGHED_S, time.monotonic()))
        self._change_to(_BACK)
        self.done["rests"] += 1

    def _change_to(self, transitions: Sequence[int]) -> None:
        for transition in transitions:
            answer = self._call(self._change, ChangeState.Request(transition=Transition(id=transition)))
            if answer is not None and not answer.success:
                self.wrong.append(f"transition {transition} failed")
            self.spin_for(0.2)

    def _call(self, client: Any, request: Any) -> Any:
        if not client.wait_for_service(timeout_sec=_ANSWER_S):
            self.wrong.append(f"{client.srv_name} is not there")
            return None
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=_ANSWER_S)
        if not future.done():
            self.wrong.append(f"{client.srv_name} did not answer in {_ANSWER_S:g} s")
            return None
        return future.result()

    def _heard(self, data: bytes) -> None:
        # A Header comes first: after 4 bytes of encapsulation (little-endian), seconds and nanoseconds.
        seconds, nanoseconds = _STAMP.unpack_from(data, 4)
        self.latencies.append((time.time() - seconds - 1e-9 * nanoseconds) % JUMP_S)

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status = {each.key: each.value for each in status.values}


def main() -> int:
    """Visits the node, waits until the camera was stopped from outside, and writes the file."""
    rclpy.init()
    guests = Guests()
    guests.visit(float(sys.argv[1]))
    print(OVER, flush=True)
    guests.wait_for_rest()
    result = {
        "done": dict(guests.done),
        "wrong": guests.wrong,
        "latencies": sorted(guests.latencies),
        "rests": guests.rests,
        "status": guests.status,
    }
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A camera and a listener in one: publishes any four messages, collects what the node answers."""

from __future__ import annotations

import array
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from ffstereo_ros.ros.processes import ModuleProcess

INPUTS = {
    "left/image_rect": Image,
    "right/image_rect": Image,
    "left/camera_info": CameraInfo,
    "right/camera_info": CameraInfo,
}
OUTPUTS = {
    "disparity": DisparityImage,
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "confidence": Image,
    "points2": PointCloud2,
    "disparity/image_color": Image,
}
WIDTH, HEIGHT, SHIFT = 160, 96, 12
FOCAL, BASELINE, CX_LEFT, CX_RIGHT = 120.0, 0.1, 80.0, 83.0


@dataclass
class Frame:
    """The four messages of one set; ``stamps`` are ns after the frame's time, in the order of ``INPUTS``."""

    left: Image
    right: Image
    left_info: CameraInfo
    right_info: CameraInfo
    stamps: tuple[int, int, int, int] = (0, 0, 0, 0)
    silent: tuple[str, ...] = ()

    def messages(self) -> dict[str, Any]:
        """By topic."""
        return dict(zip(INPUTS, (self.left, self.right, self.left_info, self.right_info)))


def image(pixels: NDArray[Any], encoding: str = "mono8", **fields: Any) -> Image:
    """A message of these pixels."""
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    step = pixels[0].nbytes
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, step=step, data=data)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def camera_info(width: int = WIDTH, height: int = HEIGHT, *, f: float = FOCAL, cx: float = CX_LEFT, t: float = 0.0):
    """A CameraInfo with ``P[0, 3] = -f * t``, t in m."""
    info = CameraInfo(width=width, height=height)
    info.p = [f, 0.0, cx, -f * t, 0.0, f, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Grey noise that any matcher can match."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0), dtype=np.uint8)


def plane(width: int = WIDTH, height: int = HEIGHT, shift: int = SHIFT) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A fronto-parallel plane with a disparity of ``shift`` px, left and right, grey."""
    wide = texture(height, width + shift)
    return wide[:, :width].copy(), wide[:, shift:].copy()


def good_frame(width: int = WIDTH, height: int = HEIGHT, **changes: Any) -> Frame:
    """The plane, mono8, with both CameraInfo."""
    left, right = plane(width, height)
    infos = camera_info(width, height), camera_info(width, height, cx=CX_RIGHT, t=BASELINE)
    return replace(Frame(image(left), image(right), *infos), **changes)


@dataclass
class Rig:
    """See the module. Use as a context manager.

    Attributes:
        received: messages by topic.
        status: diagnostics, key to value; ``level`` and ``message`` among them.
        reports: number of diagnostics messages so far.
        watched: processes that must stay alive while something is waited for.
    """

    domain: int
    received: dict[str, list[Any]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    reports: int = 0
    watched: list[ModuleProcess] = field(default_factory=list)

    def __enter__(self) -> Rig:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        self.node = rclpy.create_node("rig", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.publishers = {t: self.node.create_publisher(k, t, qos_profile_sensor_data) for t, k in INPUTS.items()}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        self._subscriptions: dict[str, Any] = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def listen(self, *topics: str) -> None:
        """Subscribes to output topics, all if none is named."""
        for topic in topics or OUTPUTS:
            self.received[topic] = []
            collect = self.received[topic].append
            self._subscriptions[topic] = self.node.create_subscription(OUTPUTS[topic], topic, collect, 10)

    def deafen(self, topic: str) -> None:
        """Ends the subscription to an output topic."""
        self.node.destroy_subscription(self._subscriptions.pop(topic))

    def connected(self) -> bool:
        """The node and this rig see each other, both ways."""
        publishers = [self.node.count_publishers(topic) for topic in self._subscriptions]
        return min([each.get_subscription_count() for each in self.publishers.values()] + publishers) > 0

    def send(self, frame: Frame) -> int:
        """Publishes one set with a new stamp and returns that of the left image, ns."""
        now = self.node.get_clock().now().nanoseconds
        for (topic, message), offset in zip(frame.messages().items(), frame.stamps):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now + offset, 1_000_000_000)
            message.header.frame_id = "left_optical"
            if topic not in frame.silent:
                self.publishers[topic].publish(message)
        return now + frame.stamps[0]

    def spin_until(self, condition: Callable[[], Any], seconds: float = 20.0, what: str = "") -> None:
        """Spins until the condition holds; fails at the deadline, or at once when a watched process died."""
        deadline = time.monotonic() + seconds
        while not condition():
            for process in self.watched:
                assert process.status is None, f"{process.name} died with {process.status}\n{process.tail(60)}"
            logs = "\n".join(process.tail(30) for process in self.watched)
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}\n{self.status}\n{logs}"
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        """Spins for a time."""
        end = time.monotonic() + seconds
        self.spin_until(lambda: time.monotonic() >= end, seconds + 5)

    def answer(self, topic: str, frame: Frame, seconds: float = 20.0) -> Any:
        """Sends the frame until ``topic`` answers to one of its stamps, and returns the answer."""
        sent: set[int] = set()
        with self.sending(lambda: sent.add(self.send(frame))):
            self.spin_until(lambda: self._answered(topic, sent), seconds, f"an answer on {topic}")
        return self._answered(topic, sent)

    @contextmanager
    def client(self, kind: Any, name: str, seconds: float = 20.0) -> Iterator[Any]:
        """A client of a service whose node knows it: it will send its answers, not only take the requests."""
        client = self.node.create_client(kind, name)
        try:
            self.spin_until(client.service_is_ready, seconds, f"service {name}")
            self._until_known(name.rsplit("/", 1)[0].removesuffix("/_container"), seconds)
            yield client
        finally:
            self.node.destroy_client(client)

    def _until_known(self, node: str, seconds: float) -> None:
        """Until ``node`` has discovered what this rig made so far.

        A service that has not yet discovered its client's reader computes the answer and drops it after 0.1 s ("client
        will not receive response"), and the client cannot see that from its side. What a participant makes is
        discovered in the order in which it was made, so an answer to a younger client shows that all are known.
        """
        younger = self.node.create_client(GetParameters, f"{node}/get_parameters")
        asked: list[Any] = []
        try:
            self.spin_until(younger.service_is_ready, seconds, f"the parameters of {node}")
            with self.sending(lambda: asked.append(younger.call_async(GetParameters.Request())), period=0.5):
                self.spin_until(lambda: any(each.done() for each in asked), seconds, f"{node} to know this rig")
        finally:
            self.node.destroy_client(younger)

    def call(self, kind: Any, name: str, seconds: float = 20.0, **fields: Any) -> Any:
        """The answer of a service."""
        with self.client(kind, name, seconds) as client:
            future = client.call_async(kind.Request(**fields))
            self.spin_until(future.done, seconds, f"an answer of {name}")
            return future.result()

    def set(self, **values: Any) -> str:
        """Sets parameters of ``/stereo_node``, all in one; the reason where they are refused, else an empty text."""
        messages = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        answer = self.call(SetParametersAtomically, "/stereo_node/set_parameters_atomically", parameters=messages)
        assert answer.result.successful is not bool(answer.result.reason)
        return str(answer.result.reason)

    def get(self, *names: str, node: str = "/stereo_node") -> list[Any]:
        """Values of parameters of a node."""
        answer = self.call(GetParameters, f"{node}/get_parameters", names=list(names))
        return [parameter_value_to_python(value) for value in answer.values]

    @contextmanager
    def sending(self, send: Callable[[], Any], period: float = 0.1) -> Iterator[None]:
        """Calls ``send`` every ``period`` s while the rig spins."""
        send()
        timer = self.node.create_timer(period, send)
        try:
            yield
        finally:
            self.node.destroy_timer(timer)

    def _answered(self, topic: str, sent: set[int]) -> Any:
        for message in self.received[topic]:
            if message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec in sent:
                return message
        return None

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self.reports += 1
        for status in message.status:
            self.status = {each.key: each.value for each in status.values}
            self.status.update(level=str(status.level), message=status.message, name=status.name)
            self.status["hardware_id"] = status.hardware_id


def wait_for_exit(process: ModuleProcess, seconds: float = 20.0) -> int:
    """The exit status of a process that ends by itself."""
    deadline = time.monotonic() + seconds
    while process.status is None:
        assert time.monotonic() < deadline, f"{process.name} did not end in {seconds} s\n{process.tail(40)}"
        time.sleep(0.02)
    return process.status

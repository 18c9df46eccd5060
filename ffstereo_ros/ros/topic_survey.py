"""Listens to a live stereo pair for a few seconds: who publishes what with which QoS, and does it arrive?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.evaluation.bag_frames import stamp_of
from ffstereo_ros.evaluation.doctor_bag import Stamps
from ffstereo_ros.evaluation.findings import Finding
from ffstereo_ros.ros.conversions import camera_from_info, pair_to_rgb

_PAIRS = 3


@dataclass
class Survey:
    """What was heard.

    Attributes:
        left, right: full names of the image topics.
        stamps: of every image that came.
        pairs: a few of them, uint8 ``[H, W, 3]`` RGB.
        camera: from both CameraInfo, or None.
        findings: about topics, QoS and calibration.
    """

    left: str
    right: str
    stamps: Stamps = field(default_factory=Stamps)
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = field(default_factory=list)
    camera: StereoCamera | None = None
    findings: list[Finding] = field(default_factory=list)


class _Listener:
    """Subscribes to both images and both CameraInfo; best effort accepts every publisher."""

    def __init__(self, node: Node, left: str, right: str) -> None:
        self.stamps = Stamps()
        self.waiting: dict[str, dict[int, Image]] = {"left": {}, "right": {}}
        self.pairs: list[tuple[Image, Image]] = []
        self.infos: dict[str, CameraInfo] = {}
        qos = QoSProfile(history=qos_profile_sensor_data.history, depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        for side, topic in (("left", left), ("right", right)):
            node.create_subscription(Image, topic, self._on_image(side), qos)
            node.create_subscription(CameraInfo, info_topic(topic), self._on_info(side), qos)

    def _on_image(self, side: str) -> Any:
        def take(message: Image) -> None:
            stamp = stamp_of(message)
            (self.stamps.left if side == "left" else self.stamps.right).append(stamp)
            partner = self.waiting["right" if side == "left" else "left"].pop(stamp, None)
            if partner is None:
                self.waiting[side][stamp] = message
                if len(self.waiting[side]) > 10:
                    del self.waiting[side][next(iter(self.waiting[side]))]
            elif len(self.pairs) < _PAIRS:
                self.pairs.append((message, partner) if side == "left" else (partner, message))

        return take

    def _on_info(self, side: str) -> Any:
        return lambda message: self.infos.__setitem__(side, message)


def info_topic(image: str) -> str:
    """``left/camera_info`` for ``left/image_rect``."""
    return image.rsplit("/", 1)[0] + "/camera_info" if "/" in image else "camera_info"


def survey(namespace: str, left: str, right: str, seconds: float) -> Survey:
    """Listens in a context of its own, so that a running rclpy is left alone.

    Args:
        namespace: in front of the default names.
        left, right: image topics; empty = ``left/image_rect`` and ``right/image_rect``.
        seconds: how long.
    """
    prefix = "/" + namespace.strip("/") if namespace.strip("/") else ""
    left, right = left or f"{prefix}/left/image_rect", right or f"{prefix}/right/image_rect"
    context = Context()
    rclpy.init(context=context)
    node = Node("ffstereo_doctor", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        listener = _Listener(node, left, right)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        return _judge(node, listener, Survey(left, right, listener.stamps))
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def _judge(node: Node, listener: _Listener, found: Survey) -> Survey:
    for side, topic in (("left", found.left), ("right", found.right)):
        heard = len(found.stamps.left if side == "left" else found.stamps.right)
        found.findings.append(_publishers(node, topic, heard))
    if len(listener.infos) < 2:
        silent = " and ".join(side for side in ("left", "right") if side not in listener.infos)
        remedy = "publish CameraInfo beside each image: without it there is no depth"
        found.findings.append(Finding("bad", "topics", f"no camera_info from the {silent} camera", remedy))
    for left, right in listener.pairs:
        try:
            found.pairs.append(pair_to_rgb(left, right))
        except FFStereoError as error:
            found.findings.append(Finding("bad", "images", str(error)))
    if len(listener.infos) == 2 and found.pairs:
        height, width = found.pairs[0][0].shape[:2]
        try:
            found.camera = camera_from_info(listener.infos["left"], listener.infos["right"], width=width, height=height)
        except FFStereoError as error:
            found.findings.append(Finding("bad", "calibration", str(error)))
    return found


def _publishers(node: Node, topic: str, heard: int) -> Finding:
    """Who publishes a topic, with which QoS, and whether it arrives."""
    offers = node.get_publishers_info_by_topic(topic)
    if not offers:
        return Finding("bad", "qos", f"{topic}: nobody publishes it", "check name and namespace, `ros2 topic list -t`")
    described = ", ".join(
        f"{offer.node_name} {offer.qos_profile.reliability.name.lower()} {offer.qos_profile.durability.name.lower()} "
        f"depth {offer.qos_profile.depth}"
        for offer in offers
    )
    if offers[0].topic_type != "sensor_msgs/msg/Image":
        packed = "the node takes it with input_transport:=compressed; to have it judged, record it: ffstereo doctor BAG"
        remedy = packed if offers[0].topic_type == "sensor_msgs/msg/CompressedImage" else "give the image topic"
        return Finding("bad", "qos", f"{topic}: is {offers[0].topic_type}, not an Image", remedy)
    if not heard:
        remedy = "messages are lost: set the shared-memory profile for the camera's process too (see transport)"
        return Finding("bad", "qos", f"{topic}: published ({described}) but nothing came", remedy)
    text = f"{topic}: {heard} images from {described}"
    if len(offers) > 1:
        return Finding("note", "qos", text, "two publishers on one topic: stop one")
    return Finding("ok", "qos", text)

"""What the ROS graph says about a topic's other ends: are they there, of the right type, and does their QoS match?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from ffstereo_ros.ros.camera_presets import COMPRESSED_SUFFIX


@dataclass(frozen=True)
class Endpoint:
    """The other end of a topic.

    Attributes:
        node: its name.
        mismatch: why nothing can pass, in words; empty where it can.
    """

    node: str
    mismatch: str = ""


def offers(node: Node, subscription: Subscription) -> list[Endpoint]:
    """Who publishes what a subscription waits for; where nobody does, who sends the same by the other transport."""
    topic, asked = subscription.topic_name, subscription.qos_profile
    found = []
    for info in node.get_publishers_info_by_topic(topic):
        mismatch = _other_type(info, subscription.msg_type, _remedy(info, subscription))
        if not mismatch and not _fits(info.qos_profile, asked):
            mismatch = (
                f"{info.node_name} offers {_words(info.qos_profile)} but {_words(asked)} is asked for; "
                f"set qos_overrides.{topic}.subscription.reliability to best_effort, or the camera to reliable"
            )
        found.append(Endpoint(info.node_name, mismatch))
    return found or _by_other_transport(node, subscription)


def _by_other_transport(node: Node, subscription: Subscription) -> list[Endpoint]:
    base = subscription.topic_name.removesuffix(COMPRESSED_SUFFIX)
    others = {
        Image: (f"{base}{COMPRESSED_SUFFIX}", "compressed", "sensor_msgs/msg/CompressedImage"),
        CompressedImage: (base, "raw", "sensor_msgs/msg/Image"),
    }
    if subscription.msg_type not in others:
        return []
    topic, transport, kind = others[subscription.msg_type]
    found = []
    for info in node.get_publishers_info_by_topic(topic):
        text = f"{info.node_name} sends {transport} images on {topic}; set input_transport:={transport}"
        if info.topic_type != kind:
            text = f"{info.node_name} sends {info.topic_type} on {topic}; have it sent on {subscription.topic_name}"
        found.append(Endpoint(info.node_name, text))
    return found


def listeners(node: Node, publisher: Publisher) -> list[Endpoint]:
    """Who waits for what a publisher sends."""
    topic, offered = publisher.topic_name, publisher.qos_profile
    found = []
    for info in node.get_subscriptions_info_by_topic(topic):
        mismatch = _other_type(info, publisher.msg_type)
        if not mismatch and not _fits(offered, info.qos_profile):
            mismatch = (
                f"{info.node_name} asks for {_words(info.qos_profile)} but {_words(offered)} is offered; "
                "change the QoS of the subscriber"
            )
        found.append(Endpoint(info.node_name, mismatch))
    return found


def _fits(offered: QoSProfile, asked: QoSProfile) -> bool:
    compatibility, _ = qos_check_compatible(offered, asked)
    return bool(compatibility != QoSCompatibility.ERROR)


def _other_type(info: Any, kind: Any, remedy: str = "is another topic meant?") -> str:
    """A text where the other end has another type: an image topic that carries compressed images, say."""
    expected = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    if info.topic_type == expected:
        return ""
    return f"{info.node_name} has type {info.topic_type} there and not {expected}; {remedy}"


def _remedy(info: Any, subscription: Subscription) -> str:
    """What helps where a publisher has another type."""
    topic = subscription.topic_name
    if subscription.msg_type is not Image or info.topic_type != "sensor_msgs/msg/CompressedImage":
        return "is another topic meant?"
    transport = "set input_transport:=compressed and"
    if topic.endswith(COMPRESSED_SUFFIX):
        return f"{transport} name the topic {topic.removesuffix(COMPRESSED_SUFFIX)}: the node adds {COMPRESSED_SUFFIX}"
    return f"{transport} have them sent on {topic}{COMPRESSED_SUFFIX}, where the node looks then"


def _words(qos: QoSProfile) -> str:
    return f"{qos.reliability.name.lower()}, {qos.durability.name.lower()}"

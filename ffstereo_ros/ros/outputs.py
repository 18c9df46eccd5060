"""The output topics: who listens, and how a message gets there."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from ffstereo_ros.ros.qos import naming

DISPARITY = "disparity"
DEPTH = "depth/image_rect"
DEPTH_INFO = "depth/camera_info"
CONFIDENCE = "confidence"
CLOUD = "points2"
COLOUR = "disparity/image_color"

TYPES: dict[str, type] = {
    DISPARITY: DisparityImage,
    DEPTH: Image,
    DEPTH_INFO: CameraInfo,
    CONFIDENCE: Image,
    CLOUD: PointCloud2,
    COLOUR: Image,
}

# Two messages, not more: a cloud of 1280x720 is 15 MB of the 64 MB that a participant has in shared memory.
_DEPTH_OF_QUEUE = 2


class Outputs:
    """One publisher for each topic, reliable, which serves best-effort subscribers too."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers = {topic: _publisher(node, topic, kind) for topic, kind in TYPES.items()}

    def wanted(self) -> frozenset[str]:
        """The topics that somebody listens to now."""
        return frozenset(topic for topic, each in self._publishers.items() if each.get_subscription_count() > 0)

    def publish(self, topic: str, message: Any) -> None:
        """Sends a message; from any thread."""
        self._publishers[topic].publish(message)

    def publishers(self) -> dict[str, Publisher]:
        """By topic."""
        return dict(self._publishers)

    def destroy(self) -> None:
        """Takes the topics away; nothing is published afterwards."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()


def _publisher(node: Node, topic: str, kind: type) -> Publisher:
    # A profile for each: rclpy writes the overrides of a topic into the profile that it is given.
    profile = QoSProfile(depth=_DEPTH_OF_QUEUE, reliability=ReliabilityPolicy.RELIABLE)
    options = QoSOverridingOptions.with_default_policies()
    with naming(node, topic, "publisher"):
        return node.create_publisher(kind, topic, profile, qos_overriding_options=options)

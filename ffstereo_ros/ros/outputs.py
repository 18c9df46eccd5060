"""The output topics: who listens, and how a message gets there."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

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

# Reliable serves best-effort subscribers too. Two messages, not more: a cloud of 1280x720 is 15 MB of the 64 MB that
# a participant has in shared memory.
_QOS = QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE)


class Outputs:
    """One publisher for each topic."""

    def __init__(self, node: Node) -> None:
        options = QoSOverridingOptions.with_default_policies()
        self._publishers = {
            topic: node.create_publisher(kind, topic, _QOS, qos_overriding_options=options)
            for topic, kind in TYPES.items()
        }

    def wanted(self) -> frozenset[str]:
        """The topics that somebody listens to now."""
        return frozenset(topic for topic, each in self._publishers.items() if each.get_subscription_count() > 0)

    def publish(self, topic: str, message: Any) -> None:
        """Sends a message; from any thread."""
        self._publishers[topic].publish(message)

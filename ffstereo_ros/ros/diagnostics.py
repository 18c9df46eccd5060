"""The node's state on ``/diagnostics``, once a second."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from ffstereo_ros.ros.health import Health

TOPIC = "/diagnostics"


class DiagnosticsPublisher:
    """Publishes one status: level, one line, and a table.

    Attributes:
        hardware_id: what computes, for people (the backend's description).
    """

    def __init__(self, node: Node) -> None:
        self.hardware_id = ""
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, TOPIC, 10)

    def publish(self, health: Health, values: Mapping[str, str]) -> None:
        """Sends one status."""
        status = DiagnosticStatus(
            level=health.level,
            name=f"{self._node.get_fully_qualified_name().lstrip('/')}: stereo",
            message=health.message,
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)

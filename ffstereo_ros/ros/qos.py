"""What ROS refuses of a topic, told with the topic's name and the parameters that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.node import Node

from ffstereo_ros.errors import ParameterError


@contextmanager
def naming(node: Node, topic: str, side: str) -> Iterator[None]:
    """Around the creation of a publisher or subscription, whose QoS and name the user can change.

    Args:
        node: whose topic it is.
        topic: its name before namespace and remapping.
        side: ``publisher`` or ``subscription``.

    Raises:
        ParameterError: rclpy refused it; its own words name neither the topic nor what was wrong about it.
    """
    try:
        yield
    except RuntimeError as error:  # RCLError is one, and so is an override that is none of the allowed words
        resolved = node.resolve_topic_name(topic)
        words = " ".join(str(error).split())
        raise ParameterError(
            f"{resolved}: ROS refuses this {side} ({words}): {_remedy(node, f'qos_overrides.{resolved}.{side}.')}"
        ) from error


def _remedy(node: Node, overrides: str) -> str:
    """What helps; ``overrides`` is what the names of the topic's QoS parameters begin with."""
    # Not public; where it is missing, an override may be set.
    if any(name.startswith(overrides) for name in getattr(node, "_parameter_overrides", (overrides,))):
        return f"see the parameters {overrides}*; depth is 1 or more, reliability best_effort or reliable"
    return "does this process use the topic with another type? Check the remappings (-r NAME:=TOPIC)"

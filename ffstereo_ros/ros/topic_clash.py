"""Topics of the node that remappings have made one: left would be matched with left, or the node would hear itself."""

from __future__ import annotations

from rclpy.node import Node

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.diagnostics import TOPIC as DIAGNOSTICS
from ffstereo_ros.ros.synchronisation import sources


def require_topics_of_their_own(node: Node, *, compressed: bool) -> None:
    """Goes through the inputs and outputs of the node as they are after namespace and remapping.

    Args:
        compressed: images come by image_transport's ``compressed``.

    Raises:
        ParameterError: two of them are one topic.
    """
    ends = [(f"input {name}", source.topic) for name, source in sources(node, compressed=compressed).items()]
    ends += [(f"output {name}", name) for name in (*outputs.TYPES, DIAGNOSTICS)]
    names_of: dict[str, list[str]] = {}
    for name, topic in ends:
        names_of.setdefault(node.resolve_topic_name(topic), []).append(name)
    for topic, names in names_of.items():
        if len(names) > 1:
            raise ParameterError(
                f"{', '.join(names[:-1])} and {names[-1]} are the same topic {topic}: each needs one of its own; "
                "correct the remappings (-r NAME:=TOPIC)"
            )

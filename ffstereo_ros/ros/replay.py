"""What ``replay.launch.py`` takes from a recording: where the node finds the pair, and which topics are played."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.evaluation.bags import Bag, StereoTopics, find_topics
from ffstereo_ros.ros.camera_presets import COMPRESSED_SUFFIX, INPUT_ARGUMENTS

# Arguments of stereo.launch.py and the field of StereoTopics that fills them.
INPUTS = {
    "left_image": "left",
    "left_camera_info": "left_info",
    "right_image": "right",
    "right_camera_info": "right_info",
}

# What tells where the pair is, in a bag that could not be read.
_PLACES = ["/tf", "/tf_static", "/robot_description"]

_UNKNOWN = StereoTopics("", "", "", "")


@dataclass(frozen=True)
class Recording:
    """What is known of a bag before it is played.

    Attributes:
        types: message type by topic; empty where the bag could not be read.
        pair: topics as recorded; empty where they are not known.
        frame: ``frame_id`` of the left image.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    pair: StereoTopics = _UNKNOWN
    frame: str = ""


def read_recording(path: Path, left: str = "", right: str = "") -> Recording:
    """Finds the pair in a bag.

    Args:
        left, right: image topics, given by hand; empty = found by type and name.

    Raises:
        FFStereoError: the bag cannot be read, or there is no such pair in it.
    """
    with Bag(path) as bag:
        pair = find_topics(bag.types, left=_recorded(left, bag.types), right=_recorded(right, bag.types))
        first = next(bag.messages(pair.left), None)
        return Recording(bag.types, pair, "" if first is None else str(first[2].header.frame_id))


def stereo_arguments(given: Mapping[str, str], recording: Recording) -> dict[str, str]:
    """Arguments of ``stereo.launch.py``; what is empty is left to its defaults."""
    inputs = _inputs(given, recording)
    arguments = {
        **{name: topic.removesuffix(COMPRESSED_SUFFIX) for name, topic in inputs.items()},
        **{name: given[name] for name in ("backend", "weights", "rviz")},
        "input_transport": "compressed" if _is_compressed(inputs["left_image"], recording) else "",
        "namespace": given["namespace"] or recording.pair.namespace,
        "rviz_frame": given["rviz_frame"] or recording.frame,
        "use_sim_time": "true",
    }
    return {name: value for name, value in arguments.items() if value}


def play_command(path: Path, given: Mapping[str, str], recording: Recording) -> list[str]:
    """The command that plays the bag with its clock.

    Raises:
        ParameterError: a topic that is asked for is not in the bag.
    """
    command = ["ros2", "bag", "play", str(path), "--clock", "--rate", given["rate"], "--delay", given["delay"]]
    if given["loop"].lower() in ("true", "1"):
        command.append("--loop")
    topics = played_topics(given, recording)
    # The node looks for compressed images under their suffix, whatever the recorder called them.
    renamed = [
        f"{topic}:={topic}{COMPRESSED_SUFFIX}"
        for topic in _inputs(given, recording).values()
        if _is_compressed(topic, recording) and not topic.endswith(COMPRESSED_SUFFIX)
    ]
    return [*command, "--topics", *topics, *(["--remap", *renamed] if renamed else [])]


def played_topics(given: Mapping[str, str], recording: Recording) -> list[str]:
    """The pair, what tells where it is, and ``more_topics``: recorded results would mix with those of now."""
    types, namespace = recording.types, given["namespace"] or recording.pair.namespace
    inputs = (topic or INPUT_ARGUMENTS[name] for name, topic in _inputs(given, recording).items())
    places = [topic for topic, kind in types.items() if _tells_places(topic, kind)] if types else _PLACES
    more = [name.strip() for name in given["more_topics"].split(",") if name.strip()]
    missing = [topic for topic in more if types and topic not in types]
    if missing:
        raise ParameterError(
            f"more_topics = '{given['more_topics']}': {', '.join(missing)} is not in the bag; "
            f"allowed are its topics, {', '.join(types)}"
        )
    wanted = (*(_full(topic, namespace) for topic in inputs), *places, *more)
    return [topic for topic in dict.fromkeys(wanted) if not types or topic in types]


def _tells_places(topic: str, kind: str) -> bool:
    return kind == "tf2_msgs/msg/TFMessage" or topic.endswith("/robot_description")


def _inputs(given: Mapping[str, str], recording: Recording) -> dict[str, str]:
    """The pair's topics as recorded; empty where nobody knows."""
    return {
        name: _recorded(given[name] or getattr(recording.pair, field), recording.types)
        for name, field in INPUTS.items()
    }


def _recorded(topic: str, types: Mapping[str, str]) -> str:
    """A topic's name in the bag: people name compressed images without the suffix, as image_transport does."""
    return topic + COMPRESSED_SUFFIX if topic not in types and topic + COMPRESSED_SUFFIX in types else topic


def _is_compressed(topic: str, recording: Recording) -> bool:
    return recording.types.get(topic) == "sensor_msgs/msg/CompressedImage" or topic.endswith(COMPRESSED_SUFFIX)


def _full(topic: str, namespace: str) -> str:
    return topic if topic.startswith("/") else "/" + f"{namespace}/{topic}".strip("/")

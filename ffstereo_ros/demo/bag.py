"""Messages as they came over the wire, written as a ROS 2 bag that RViz (through ros2 bag play) and Foxglove open."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ffstereo_ros.errors import MissingDependencyError


class Serialised(Protocol):
    """What is needed of a message: topic, class, wall-clock time of arrival in ns, and its CDR bytes."""

    @property
    def topic(self) -> str: ...
    @property
    def kind(self) -> type: ...
    @property
    def arrived(self) -> int: ...
    @property
    def data(self) -> bytes: ...


def write_bag(folder: Path, messages: Iterable[Serialised]) -> int:
    """Writes an mcap bag, compressed chunk by chunk.

    Args:
        folder: made here; must not exist.
        messages: in any order; their classes are of ``PACKAGE.msg``.

    Returns:
        How many messages were written.

    Raises:
        MissingDependencyError: rosbags is not installed.
    """
    try:
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise MissingDependencyError("rosbags is not installed: pip install rosbags; it writes the bag") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    connections = {}
    ordered = sorted(messages, key=lambda message: message.arrived)
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        for message in ordered:
            if message.topic not in connections:
                name = f"{message.kind.__module__.split('.')[0]}/msg/{message.kind.__name__}"
                connections[message.topic] = writer.add_connection(f"/{message.topic}", name, typestore=store)
            writer.write(connections[message.topic], message.arrived, message.data)
    return len(ordered)

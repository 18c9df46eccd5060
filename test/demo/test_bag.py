"""What is written as a bag is read back by rosbags, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="needs rosbags")
pytest.importorskip("sensor_msgs", reason="needs sensor_msgs: ROS 2, or its wheels")

from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CameraInfo, Image

from ffstereo_ros.demo.bag import write_bag


@dataclass(frozen=True)
class Message:
    topic: str
    kind: type
    arrived: int
    data: bytes


def test_messages_come_back(tmp_path: Path) -> None:
    image = serialize_message(Image(width=2, height=1, encoding="mono8", step=2, data=[7, 9]))
    info = serialize_message(CameraInfo(width=2, height=1))
    messages = [Message("points", Image, 20, image), Message("left/camera_info", CameraInfo, 10, info)]
    assert write_bag(tmp_path / "bag", messages) == 2
    with AnyReader([tmp_path / "bag"]) as reader:
        read = [(c.topic, time, data, reader.deserialize(data, c.msgtype)) for c, time, data in reader.messages()]
    assert [(topic, time, data) for topic, time, data, _ in read] == [
        ("/left/camera_info", 10, info),
        ("/points", 20, image),
    ]
    assert read[1][3].data.tolist() == [7, 9]

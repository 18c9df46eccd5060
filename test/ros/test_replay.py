"""What of a recording is played, and where the node looks for it; the launch file itself is in test_launch_files.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags: recordings cannot be made without")

from bag_factory import BagFactory

from ffstereo_ros.errors import FFStereoError, ParameterError
from ffstereo_ros.ros.replay import INPUTS, Recording, play_command, played_topics, read_recording, stereo_arguments

START = 1_700_000_000_000_000_000
NOTHING = dict.fromkeys((*INPUTS, "more_topics", "namespace", "backend", "weights", "rviz", "rviz_frame"), "")
GIVEN = {**NOTHING, "rate": "1.0", "delay": "3.0", "loop": "false"}
SIDES = [f"/cam/{side}/{name}" for side in ("left", "right") for name in ("image_rect", "camera_info")]

Write = Callable[..., Path]


@pytest.fixture
def recorded(tmp_path: Path) -> Write:
    """``recorded("%s/jpeg")`` writes a bag with compressed images under that name, for left and right."""

    def write(image: str) -> Path:
        with BagFactory(tmp_path / "bag") as bag:
            for side in ("left", "right"):
                bag.compressed(image.replace("%s", side), np.zeros((8, 8), np.uint8), START)
                info = bag.info(START, side == "right")
                bag.write(f"/cam/{side}/camera_info", "sensor_msgs/msg/CameraInfo", info, START)
        return tmp_path / "bag"

    return write


def _types(*more: str, kind: str = "sensor_msgs/msg/Image") -> Recording:
    """A bag with a pair and ``more`` topics."""
    pair = {topic: f"sensor_msgs/msg/{'CameraInfo' if topic.endswith('info') else 'Image'}" for topic in SIDES}
    return Recording({**pair, **dict.fromkeys(more, kind)})


def test_the_name_of_compressed_images_may_be_given_without_the_suffix(recorded: Write) -> None:
    path = recorded("/cam/%s/image_rect/compressed")
    given = {**GIVEN, "left_image": "/cam/left/image_rect", "right_image": "/cam/right/image_rect/compressed"}
    recording = read_recording(path, given["left_image"], given["right_image"])
    assert recording.frame == "left_optical"
    arguments = stereo_arguments(given, recording)
    assert [arguments[name] for name in INPUTS] == SIDES
    assert arguments["input_transport"] == "compressed"
    images = {f"/cam/{side}/image_rect/compressed" for side in ("left", "right")}
    assert images <= set(played_topics(given, recording))


def test_compressed_images_of_another_name_are_played_under_the_suffix(recorded: Write) -> None:
    path = recorded("/cam/%s/jpeg")
    recording = read_recording(path)
    arguments = stereo_arguments(GIVEN, recording)
    assert (arguments["left_image"], arguments["input_transport"]) == ("/cam/left/jpeg", "compressed")
    command = play_command(path, GIVEN, recording)
    renamed = [f"/cam/{side}/jpeg:=/cam/{side}/jpeg/compressed" for side in ("left", "right")]
    assert command[command.index("--remap") + 1 :] == renamed


def test_transforms_and_robots_are_played_with_the_pair() -> None:
    given = {**GIVEN, **dict(zip(INPUTS, SIDES))}
    recording = _types("/cam/points2", "/cam/disparity", "/robot/robot_description", "/cmd_vel", "/clock")
    assert played_topics(given, recording) == [*SIDES, "/robot/robot_description"]
    recording = _types("/tf", "/tf_static", "/robot/tf", kind="tf2_msgs/msg/TFMessage")
    assert played_topics(given, recording) == [*SIDES, "/tf", "/tf_static", "/robot/tf"]


def test_a_topic_that_the_bag_has_not_is_not_asked_for() -> None:
    recording = Recording(dict.fromkeys(SIDES[::2], "sensor_msgs/msg/Image"))
    assert played_topics({**GIVEN, **dict(zip(INPUTS, SIDES))}, recording) == SIDES[::2]


def test_more_topics_must_be_in_the_bag() -> None:
    recording = _types("/scan")
    assert "/scan" in played_topics({**GIVEN, "more_topics": " /scan,"}, recording)
    with pytest.raises(ParameterError, match=r"more_topics = '/scan,/imu': /imu is not in the bag; allowed are its"):
        played_topics({**GIVEN, "more_topics": "/scan,/imu"}, recording)


def test_what_is_given_by_hand_is_played_from_a_bag_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FFStereoError):
        read_recording(tmp_path / "none")
    given = {**GIVEN, "namespace": "cam", "left_image": "/l/compressed", "right_image": "r/compressed", "loop": "true"}
    command = play_command(Path("/bag"), {**given, "more_topics": "/scan"}, Recording())
    assert command[:8] == ["ros2", "bag", "play", "/bag", "--clock", "--rate", "1.0", "--delay"]
    assert command[9:] == [
        "--loop", "--topics", "/l/compressed", "/cam/left/camera_info", "/cam/r/compressed", "/cam/right/camera_info",
        "/tf", "/tf_static", "/robot_description", "/scan",
    ]  # fmt: skip
    assert stereo_arguments(given, Recording()) == {
        "left_image": "/l",
        "right_image": "r",
        "input_transport": "compressed",
        "namespace": "cam",
        "use_sim_time": "true",
    }

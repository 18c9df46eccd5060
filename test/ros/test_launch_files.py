"""What the launch files start: the arguments given by hand go over the camera's, and these over the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("launch_ros", reason="needs launch_ros of ROS 2")

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_sources import get_launch_description_from_python_launch_file

from ffstereo_ros.ros.camera_presets import CAMERAS, load_preset
from ffstereo_ros.ros.launch_arguments import node_settings

FOLDER = Path(__file__).resolve().parents[2] / "launch"
NOTHING = dict.fromkeys(("left_image", "left_camera_info", "right_image", "right_camera_info"), "")
GIVEN = {**NOTHING, "backend": "", "weights": "", "use_sim_time": "", "params_file": "/given.yaml"}


def _started(file: str, **arguments: str) -> list[Any]:
    """What a launch file starts, without starting it."""
    description: LaunchDescription = get_launch_description_from_python_launch_file(str(FOLDER / file))
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    started: list[Any] = []
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.execute(context)
        elif isinstance(entity, OpaqueFunction):
            started += entity.execute(context) or []
    return started


@pytest.mark.parametrize("camera", ["", *CAMERAS])
def test_stereo_starts_one_node(camera: str) -> None:
    kinds = [type(each).__name__ for each in _started("stereo.launch.py", camera=camera)]
    assert kinds.count("Node") == 1
    assert kinds.count("LogInfo") == bool(camera)


def test_rviz_is_started_when_asked_for() -> None:
    assert [type(each).__name__ for each in _started("stereo.launch.py", rviz="true")].count("Node") == 2


def test_several_cameras_share_a_container() -> None:
    kinds = [type(each).__name__ for each in _started("multi_camera.launch.py", cameras="front, rear")]
    assert kinds.count("ComposableNodeContainer") == 1


@pytest.mark.parametrize("cameras", ["", "front,front"])
def test_cameras_need_different_names(cameras: str) -> None:
    with pytest.raises(Exception, match="a list of different namespaces is needed"):
        _started("multi_camera.launch.py", cameras=cameras)


def test_the_cameras_settings() -> None:
    settings = node_settings(GIVEN, load_preset("oak"))
    assert settings["remappings"][0] == ("left/image_rect", "left/image_raw")
    assert settings["parameters"] == [
        Path("/given.yaml"),
        {"sync": "approximate", "sync_tolerance": 0.005, "use_sim_time": False},
    ]
    assert node_settings(GIVEN, load_preset("isaac_sim"))["parameters"][1]["use_sim_time"] is True


def test_what_is_given_by_hand_wins() -> None:
    given = {**GIVEN, "left_image": "/mine", "use_sim_time": "false", "backend": "sgbm"}
    settings = node_settings(given, load_preset("isaac_sim"))
    assert dict(settings["remappings"])["left/image_rect"] == "/mine"
    assert dict(settings["remappings"])["right/image_rect"] == "right/image_rect_color"
    assert settings["parameters"][1] == {"sync": "exact", "use_sim_time": False, "backend": "sgbm"}

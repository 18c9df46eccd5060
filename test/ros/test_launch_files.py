"""What the launch files start: the arguments given by hand go over the camera's, and these over the defaults."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("launch_ros", reason="needs launch_ros of ROS 2")

from bag_factory import BagFactory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch.utilities import perform_substitutions
from launch_ros.actions import Node, SetParameter

from ffstereo_ros.ros.camera_presets import CAMERAS, load_preset
from ffstereo_ros.ros.launch_arguments import node_settings

START = 1_700_000_000_000_000_000
FOLDER = Path(__file__).resolve().parents[2] / "launch"
NOTHING = dict.fromkeys(("left_image", "left_camera_info", "right_image", "right_camera_info"), "")
GIVEN = {
    **NOTHING,
    "backend": "",
    "weights": "",
    "input_transport": "",
    "use_sim_time": "",
    "params_file": "/given.yaml",
}


def _started(file: str, context: LaunchContext | None = None, **arguments: str) -> list[Any]:
    """What a launch file starts, without starting it."""
    description: LaunchDescription = get_launch_description_from_python_launch_file(str(FOLDER / file))
    context = context or LaunchContext()
    context.launch_configurations.update(arguments)
    started: list[Any] = []
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.execute(context)
        elif isinstance(entity, OpaqueFunction):
            started += entity.execute(context) or []
    return started


def _node(file: str, executable: str, context: LaunchContext | None = None, **arguments: str) -> list[str]:
    """The command line of a node that a launch file starts."""
    context = context or LaunchContext()
    nodes = (each for each in _started(file, context, **arguments) if isinstance(each, Node))
    (node,) = (each for each in nodes if each.node_executable == executable)
    node._perform_substitutions(context)
    context.extend_locals({"ros_specific_arguments": {"name": "", "ns": ""}})
    return [perform_substitutions(context, part) for part in node.cmd]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in which launch_ros finds the executables."""
    index = tmp_path / "prefix" / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    for package, executable in (("ffstereo_ros", "stereo_node"), ("rviz2", "rviz2")):
        (index / package).touch()
        program = tmp_path / "prefix" / "lib" / package / executable
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "prefix"), prepend=":")


def _parameters(command: list[str]) -> list[dict[str, Any]]:
    """What the parameter files of a command line say, in order."""
    files = [command[index + 1] for index, word in enumerate(command) if word == "--params-file"]
    contents = [yaml.safe_load(Path(file).read_text(encoding="utf-8")) for file in files]
    return [node["ros__parameters"] for content in contents for node in content.values()]


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
    assert settings["parameters"] == [Path("/given.yaml"), {"sync": "approximate", "sync_tolerance": 0.005}]
    assert node_settings(GIVEN, load_preset("isaac_sim"))["parameters"][1]["use_sim_time"] is True


def test_what_is_given_by_hand_wins() -> None:
    given = {**GIVEN, "left_image": "/mine", "use_sim_time": "false", "backend": "sgbm"}
    settings = node_settings(given, load_preset("isaac_sim"))
    assert dict(settings["remappings"])["left/image_rect"] == "/mine"
    assert dict(settings["remappings"])["right/image_rect"] == "right/image_rect_color"
    assert settings["parameters"][1] == {"sync": "exact", "use_sim_time": False, "backend": "sgbm"}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("camera", ["", "realsense"])
def test_the_clock_that_somebody_has_chosen_stays(camera: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("/**:\n  ros__parameters:\n    use_sim_time: true\n", encoding="utf-8")
    context = LaunchContext()
    SetParameter("use_sim_time", True).execute(context)
    command = _node("stereo.launch.py", "stereo_node", context, camera=camera, params_file=str(mine))
    assert "use_sim_time:=True" in command
    values = _parameters(command)
    assert values[0] == {"use_sim_time": True}
    assert all("use_sim_time" not in each for each in values[1:])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("use_sim_time", "camera", "clock"), [("true", "", True), ("false", "isaac_sim", False)])
def test_rviz_goes_by_the_nodes_clock(use_sim_time: str, camera: str, clock: bool) -> None:
    for executable in ("stereo_node", "rviz2"):
        command = _node("stereo.launch.py", executable, camera=camera, rviz="true", use_sim_time=use_sim_time)
        assert _parameters(command)[-1]["use_sim_time"] is clock


@pytest.mark.usefixtures("installed")
def test_rviz_shows_the_image_that_the_node_takes() -> None:
    config = yaml.safe_load((FOLDER.parent / "config" / "rviz" / "stereo.rviz").read_text(encoding="utf-8"))
    shown = {display["Topic"]["Value"] for display in config["Visualization Manager"]["Displays"]}
    for camera in CAMERAS:
        command = _node("stereo.launch.py", "rviz2", camera=camera, rviz="true")
        left = load_preset(camera).topics["left_image"]
        assert {f"left/image_rect:={left}", f"left/image_rect/compressed:={left}/compressed"} <= set(command)
        assert {"left/image_rect", "left/image_rect/compressed"} <= shown
    command = _node("stereo.launch.py", "rviz2", rviz="true", left_image="/mine")
    assert "left/image_rect:=/mine" in command


def _replayed(**arguments: str) -> tuple[dict[str, str], list[str]]:
    """What replay.launch.py hands on to stereo.launch.py, and the command of the player."""
    started = _started("replay.launch.py", **arguments)
    (stereo,) = (each for each in started if isinstance(each, IncludeLaunchDescription))
    (player,) = (each for each in started if isinstance(each, ExecuteProcess))
    return dict(stereo.launch_arguments), [perform_substitutions(LaunchContext(), part) for part in player.cmd]


def _topics(command: list[str]) -> set[str]:
    """Those that the player plays."""
    return set(takewhile(lambda word: word.startswith("/"), command[command.index("--topics") + 1 :]))


def test_replay_plays_the_pair_and_where_it_is_but_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with BagFactory(tmp_path / "bag") as bag:
        bag.pair(START)
        bag.depth(START)
        bag.disparity(START, topic="/stereo/disparity")
        bag.cloud(np.zeros((3, 3)), START, topic="/stereo/points2")
        bag.static_transform("base", "left_optical", (0, 0, 1), (0, 0, 0, 1), START)
    arguments, command = _replayed(bag="~/bag")
    assert command[:4] == ["ros2", "bag", "play", str(tmp_path / "bag")]
    sides = [f"/stereo/{side}/{name}" for side in ("left", "right") for name in ("image_rect", "camera_info")]
    assert _topics(command) == {*sides, "/tf_static"}
    assert arguments["left_image"] == "/stereo/left/image_rect"
    assert (arguments["namespace"], arguments["rviz_frame"]) == ("/stereo", "left_optical")
    assert "input_transport" not in arguments


@pytest.mark.usefixtures("installed")
def test_replay_hands_compressed_images_to_the_node(tmp_path: Path) -> None:
    with BagFactory(tmp_path / "bag") as bag:
        for side in ("left", "right"):
            bag.compressed(f"/cam/{side}/image_rect/compressed", np.zeros((8, 8), np.uint8), START)
            bag.write(f"/cam/{side}/camera_info", "sensor_msgs/msg/CameraInfo", bag.info(START, side == "right"), START)
    arguments, command = _replayed(bag=str(tmp_path / "bag"))
    assert (arguments["left_image"], arguments["right_image"]) == ("/cam/left/image_rect", "/cam/right/image_rect")
    assert arguments["input_transport"] == "compressed"
    assert {"/cam/left/image_rect/compressed", "/cam/right/image_rect/compressed"} <= _topics(command)
    (values,) = _parameters(_node("stereo.launch.py", "stereo_node", **arguments))[1:]
    assert values["input_transport"] == "compressed"

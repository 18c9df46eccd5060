"""What the launch files have in common: their arguments, and what these make of a node."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration

from ffstereo_ros.fastdds import variables_in_force, variables_to_set
from ffstereo_ros.ros.camera_presets import CAMERAS, COMPRESSED_SUFFIX, INPUT_ARGUMENTS, CameraPreset
from ffstereo_ros.ros.processes import PROFILE, config_file

_NODE_ARGUMENTS = {
    "camera": f"Preset: {', '.join(CAMERAS)}; empty = topics and parameters as given below.",
    **{name: f"Topic to take as {topic}; empty = the camera's." for name, topic in INPUT_ARGUMENTS.items()},
    "backend": "auto, torch, tensorrt or sgbm; empty = as the parameter file says.",
    "weights": "Weights file or name; empty = as the parameter file says.",
    "input_transport": "raw or compressed, how the images come; empty = as the parameter file says.",
    "use_sim_time": "Take the time from /clock, as for a bag; empty = if the camera is simulated, or the file says so.",
}


def declarations() -> list[DeclareLaunchArgument]:
    """The arguments of every launch file that starts nodes."""
    declared = [
        DeclareLaunchArgument(name, default_value="", description=text) for name, text in _NODE_ARGUMENTS.items()
    ]
    files = (
        ("params_file", "stereo_node.param.yaml", "Parameter file of the node; the camera's go over it."),
        ("transport_profile", PROFILE, "Fast DDS profile; empty = leave it as it is."),
    )
    declared += [
        DeclareLaunchArgument(name, default_value=str(config_file(file)), description=text)
        for name, file, text in files
    ]
    return declared


def values(context: LaunchContext, *more: str) -> dict[str, str]:
    """The value of every declared argument, and of ``more``."""
    names = (*_NODE_ARGUMENTS, "params_file", *more)
    return {name: str(LaunchConfiguration(name).perform(context)) for name in names}


def is_true(text: str) -> bool:
    """A launch argument that is a switch."""
    return text.lower() in ("true", "1")


def set_transport() -> OpaqueFunction:
    """The transport profile for every process that starts afterwards; where somebody has chosen one, it stays."""

    def act(context: LaunchContext) -> list[SetEnvironmentVariable]:
        profile = str(LaunchConfiguration("transport_profile").perform(context))
        if not profile or any(os.environ.get(name) for name in variables_in_force()):
            return []
        return [SetEnvironmentVariable(name, profile) for name in variables_to_set()]

    return OpaqueFunction(function=act)


def node_settings(given: Mapping[str, str], camera: CameraPreset) -> dict[str, Any]:
    """Parameters and remappings for an action that starts or loads a node."""
    chosen = {name: given[name] for name in ("backend", "weights", "input_transport") if given[name]}
    parameters = {**camera.parameters, **_clock(given, camera), **chosen}
    topics = {name: given[name] or topic for name, topic in camera.topics.items()}
    return {
        "parameters": [Path(given["params_file"]), *([parameters] if parameters else [])],
        "remappings": [(own, topics[name]) for name, own in INPUT_ARGUMENTS.items()],
    }


def rviz_settings(given: Mapping[str, str], camera: CameraPreset) -> dict[str, Any]:
    """The same for RViz, which shows the node's inputs too."""
    remappings = node_settings(given, camera)["remappings"]
    # Its image_transport looks for compressed images beside the name that it was given.
    compressed = [(own + COMPRESSED_SUFFIX, topic + COMPRESSED_SUFFIX) for own, topic in remappings if "image" in own]
    clock = _clock(given, camera)
    return {"parameters": [clock] if clock else [], "remappings": [*remappings, *compressed]}


def _clock(given: Mapping[str, str], camera: CameraPreset) -> dict[str, Any]:
    """Nothing unless asked for: the parameter file, or a launch file that includes this one, may have said it."""
    if given["use_sim_time"]:
        return {"use_sim_time": is_true(given["use_sim_time"])}
    return {"use_sim_time": True} if camera.use_sim_time else {}

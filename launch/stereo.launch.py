"""Starts the stereo node on the topics of a rectified camera pair, with the transport that images need, and RViz."""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

CONFIG = Path(get_package_share_directory("ffstereo_ros")) / "config"
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

INPUTS = {
    "left_image": "left/image_rect",
    "left_camera_info": "left/camera_info",
    "right_image": "right/image_rect",
    "right_camera_info": "right/camera_info",
}
ARGUMENTS = (
    ("namespace", "", "Namespace of the node and of all topics that are given without a leading slash."),
    ("name", "stereo_node", "Name of the node."),
    *((name, topic, f"Topic to take as {topic}.") for name, topic in INPUTS.items()),
    ("params_file", str(CONFIG / "stereo_node.param.yaml"), "Parameter file of the node."),
    ("backend", "", "auto, torch, tensorrt or sgbm; empty = as the parameter file says."),
    ("weights", "", "Weights file or name; empty = as the parameter file says."),
    ("use_sim_time", "false", "Take the time from /clock, as for a bag."),
    ("transport_profile", str(CONFIG / "fastdds_large_images.xml"), "Fast DDS profile; empty = leave it as it is."),
    ("rviz", "false", "Start RViz too."),
    ("rviz_config", str(CONFIG / "rviz" / "stereo.rviz"), "RViz configuration."),
    ("rviz_frame", "left_camera_optical_frame", "Fixed frame of RViz: the frame_id of the left image."),
)


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=value, description=words) for name, value, words in ARGUMENTS]
    steps = [OpaqueFunction(function=_set_transport), OpaqueFunction(function=_node), _rviz()]
    return LaunchDescription([*declared, *steps])


def _set_transport(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Where somebody has chosen a profile already, it stays."""
    profile = LaunchConfiguration("transport_profile").perform(context)
    if not profile or any(os.environ.get(name) for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(name, profile) for name in PROFILE_VARIABLES]


def _node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    chosen = {name: LaunchConfiguration(name).perform(context) for name in ("backend", "weights")}
    overrides = {name: value for name, value in chosen.items() if value}
    sim_time = LaunchConfiguration("use_sim_time").perform(context).lower() in ("true", "1")
    return [
        Node(
            package="ffstereo_ros",
            executable="stereo_node",
            name=LaunchConfiguration("name"),
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), {"use_sim_time": sim_time, **overrides}],
            remappings=[(topic, LaunchConfiguration(argument)) for argument, topic in INPUTS.items()],
            output="screen",
        )
    ]


def _rviz() -> Node:
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", LaunchConfiguration("rviz_config"), "-f", LaunchConfiguration("rviz_frame")],
        condition=IfCondition(LaunchConfiguration("rviz")),
        output="log",
    )

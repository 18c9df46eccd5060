"""Starts one process with a stereo node for each of several rectified pairs: `cameras:=front,rear`.

Each name is the namespace of a pair and of its results: /front/left/image_rect in, /front/points2 out. With a preset
(`camera:=realsense`) the topics are those of its driver in each namespace (rs_launch.py camera_namespace:=front).
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import ComposableNodeContainer
from launch_ros.descriptions import ComposableNode

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.ros.camera_presets import load_preset
from ffstereo_ros.ros.launch_arguments import declarations, node_settings, set_transport, values

ARGUMENTS = (
    ("name", "stereo_node", "Name of every node."),
    ("container", "stereo_container", "Name of the container."),
)


def generate_launch_description() -> LaunchDescription:
    cameras = DeclareLaunchArgument("cameras", description="Namespaces of the pairs, with commas: front,rear.")
    declared = [DeclareLaunchArgument(name, default_value=value, description=words) for name, value, words in ARGUMENTS]
    return LaunchDescription([cameras, *declared, *declarations(), set_transport(), OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = values(context, "cameras", *(name for name, *_ in ARGUMENTS))
    names = [name.strip() for name in given["cameras"].split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"cameras = '{given['cameras']}': a list of different namespaces is needed: front,rear")
    settings = node_settings(given, load_preset(given["camera"]))
    nodes = [
        ComposableNode(
            package="ffstereo_ros", plugin="ffstereo_ros::StereoNode", name=given["name"], namespace=name, **settings
        )
        for name in names
    ]
    return [
        ComposableNodeContainer(
            package="ffstereo_ros",
            executable="component_container",
            name=given["container"],
            namespace="",
            composable_node_descriptions=nodes,
            output="screen",
        )
    ]

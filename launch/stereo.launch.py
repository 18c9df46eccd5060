"""Starts the stereo node on the topics of a rectified camera pair, with the transport that images need, and RViz.

`camera:=realsense|zed|oak|usb|isaac_sim` takes topics, namespace, frame and parameters from config/cameras/.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch_ros.actions import Node

from ffstereo_ros.ros.camera_presets import CameraPreset, load_preset
from ffstereo_ros.ros.launch_arguments import (
    declarations,
    is_true,
    node_settings,
    rviz_settings,
    set_transport,
    values,
)
from ffstereo_ros.ros.processes import config_file

ARGUMENTS = (
    ("namespace", "", "Namespace of the node and of all topics without a leading slash; empty = the camera's."),
    ("name", "stereo_node", "Name of the node."),
    ("rviz", "false", "Start RViz too."),
    ("rviz_config", str(config_file("rviz/stereo.rviz")), "RViz configuration."),
    ("rviz_frame", "", "Fixed frame of RViz, the frame_id of the left image; empty = the camera's."),
)


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=value, description=words) for name, value, words in ARGUMENTS]
    return LaunchDescription([*declared, *declarations(), set_transport(), OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = values(context, *(name for name, *_ in ARGUMENTS))
    camera = load_preset(given["camera"])
    namespace = given["namespace"] or camera.namespace
    node = Node(
        package="ffstereo_ros",
        executable="stereo_node",
        name=given["name"],
        namespace=namespace,
        output="screen",
        **node_settings(given, camera),
    )
    notes = [LogInfo(msg=f"start the camera with: {camera.driver}")] if camera.driver else []
    return [*notes, node, *_rviz(given, camera, namespace)]


def _rviz(given: dict[str, str], camera: CameraPreset, namespace: str) -> list[LaunchDescriptionEntity]:
    if not is_true(given["rviz"]):
        return []
    arguments = ["-d", given["rviz_config"], "-f", given["rviz_frame"] or camera.frame]
    settings = rviz_settings(given, camera)
    return [
        Node(package="rviz2", executable="rviz2", namespace=namespace, arguments=arguments, output="log", **settings)
    ]

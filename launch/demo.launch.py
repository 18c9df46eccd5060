"""Plays the demo's stereo pair without end and starts the stereo node on it; needs scikit-image for the pair."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir
from launch_ros.actions import Node

# Handed on to stereo.launch.py, which documents them.
PASSED_ON = {"namespace": "", "backend": "", "weights": "", "rviz": "false"}


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(name, default_value=value, description="As for stereo.launch.py.")
        for name, value in PASSED_ON.items()
    ]
    # First, because it sets the transport profile for every process that starts after it.
    stereo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource([ThisLaunchFileDir(), "/stereo.launch.py"]),
        launch_arguments={name: LaunchConfiguration(name) for name in PASSED_ON}.items(),
    )
    player = Node(
        package="ffstereo_ros",
        executable="stereo_player",
        namespace=LaunchConfiguration("namespace"),
        output="screen",
    )
    return LaunchDescription([*declared, stereo, player])

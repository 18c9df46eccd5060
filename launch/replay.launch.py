"""Plays a recording with its clock and starts the stereo node on the pair in it, with RViz: `bag:=/path/to/bag`.

The pair's topics and frame are read from the bag where rosbags is installed; topics given by hand go first. Only the
pair, transforms and robot descriptions are played: results in the bag would mix with those of now. `more_topics` adds.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.ros.replay import INPUTS, Recording, play_command, read_recording, stereo_arguments

ARGUMENTS = (
    *((name, "", "Topic in the bag; empty = found by type and name.") for name in INPUTS),
    ("more_topics", "", "Other topics to play, with commas: /scan,/imu."),
    ("namespace", "", "Namespace of the results; empty = beside the pair in the bag."),
    ("backend", "", "As for stereo.launch.py."),
    ("weights", "", "As for stereo.launch.py."),
    ("rate", "1.0", "Speed of the playback; below 1 the node keeps up with more frames."),
    ("loop", "false", "Play again when the end is reached."),
    ("delay", "3.0", "Time in s that the node gets to start before the first message."),
    ("rviz", "true", "Start RViz too."),
    ("rviz_frame", "", "Fixed frame of RViz; empty = the frame_id of the left image in the bag."),
)


def generate_launch_description() -> LaunchDescription:
    declared = [DeclareLaunchArgument(name, default_value=value, description=words) for name, value, words in ARGUMENTS]
    bag = DeclareLaunchArgument("bag", description="Recording to play: a bag folder or a file of one.")
    return LaunchDescription([bag, *declared, OpaqueFunction(function=_replay)])


def _replay(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = {name: LaunchConfiguration(name).perform(context) for name in (*(name for name, *_ in ARGUMENTS), "bag")}
    path = Path(given["bag"]).expanduser()
    recording = Recording()
    notes: list[LaunchDescriptionEntity] = []
    try:
        recording = read_recording(path, given["left_image"], given["right_image"])
    except FFStereoError as error:
        notes = [LogInfo(msg=f"topics are not read from the bag: {error}")]
    # First, because it sets the transport profile for every process that starts after it.
    stereo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name("stereo.launch.py"))),
        launch_arguments=stereo_arguments(given, recording).items(),
    )
    return [*notes, stereo, ExecuteProcess(cmd=play_command(path, given, recording), output="screen")]

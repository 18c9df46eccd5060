"""Plays a recording with its clock and starts the stereo node on the pair in it, with RViz: `bag:=/path/to/bag`.

The pair's topics and frame are read from the bag where rosbags is installed; topics given by hand go first.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.evaluation.bags import Bag, StereoTopics, find_topics

# Arguments of stereo.launch.py and the field of StereoTopics that fills them.
INPUTS = {
    "left_image": "left",
    "left_camera_info": "left_info",
    "right_image": "right",
    "right_camera_info": "right_info",
}
ARGUMENTS = (
    *((name, "", "Topic in the bag; empty = found by type and name.") for name in INPUTS),
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
    notes: list[LaunchDescriptionEntity] = []
    found, frame = StereoTopics("", "", "", ""), ""
    try:
        found, frame = _read_bag(Path(given["bag"]).expanduser(), given["left_image"], given["right_image"])
    except FFStereoError as error:
        notes = [LogInfo(msg=f"topics are not read from the bag: {error}")]
    topics = {name: given[name] or getattr(found, field) for name, field in INPUTS.items()}
    arguments = {
        # Empty ones are left out: stereo.launch.py has defaults of its own.
        **{name: value for name, value in topics.items() if value},
        **{name: given[name] for name in ("backend", "weights", "rviz")},
        "namespace": given["namespace"] or found.namespace,
        "use_sim_time": "true",
    }
    if given["rviz_frame"] or frame:
        arguments["rviz_frame"] = given["rviz_frame"] or frame
    # First, because it sets the transport profile for every process that starts after it.
    stereo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name("stereo.launch.py"))),
        launch_arguments=arguments.items(),
    )
    return [*notes, stereo, _player(given)]


def _read_bag(path: Path, left: str, right: str) -> tuple[StereoTopics, str]:
    """The pair's topics, and the frame of its left image."""
    with Bag(path) as bag:
        topics = find_topics(bag.types, left=left, right=right)
        first = next(bag.messages(topics.left), None)
    return topics, "" if first is None else str(first[2].header.frame_id)


def _player(given: dict[str, str]) -> ExecuteProcess:
    loop = ["--loop"] if given["loop"].lower() in ("true", "1") else []
    command = [
        "ros2",
        "bag",
        "play",
        given["bag"],
        "--clock",
        "--rate",
        given["rate"],
        "--delay",
        given["delay"],
        *loop,
    ]
    return ExecuteProcess(cmd=command, output="screen")

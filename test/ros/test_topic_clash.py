"""Two topics of the node that remappings have made one: refused with both names, before anything is matched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_rig import Rig, good_frame, wait_for_exit
from sensor_msgs.msg import CameraInfo, PointCloud2

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.ros.processes import ModuleProcess
from ffstereo_ros.ros.qos import naming

StartNode = Callable[..., ModuleProcess]
REMEDY = "each needs one of its own; correct the remappings (-r NAME:=TOPIC)"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("-r", "right/image_rect:=left/image_rect"),
            "input left/image_rect and input right/image_rect are the same topic /left/image_rect",
        ),
        (
            ("-r", "left/image_rect:=left/camera_info"),
            "input left/image_rect and input left/camera_info are the same topic /left/camera_info",
        ),
        (
            ("-r", "disparity:=left/image_rect"),
            "input left/image_rect and output disparity are the same topic /left/image_rect",
        ),
        (
            ("-r", "confidence:=depth/image_rect"),
            "output depth/image_rect and output confidence are the same topic /depth/image_rect",
        ),
        (("-r", "points2:=/diagnostics"), "output points2 and output /diagnostics are the same topic /diagnostics"),
        (
            ("-r", "__ns:=/head", "-r", "left/image_rect:=/cam/image", "-r", "right/image_rect:=/cam/image"),
            "input left/image_rect and input right/image_rect are the same topic /cam/image",
        ),
        (
            ("-p", "input_transport:=compressed", "-r", "right/image_rect:=left/image_rect"),
            "input left/image_rect and input right/image_rect are the same topic /left/image_rect/compressed",
        ),
        (
            ("-p", "input_transport:=compressed", "-r", "points2:=left/image_rect/compressed"),
            "input left/image_rect and output points2 are the same topic /left/image_rect/compressed",
        ),
        (
            ("-r", "left/image_rect:=cam", "-r", "right/image_rect:=cam", "-r", "disparity:=cam"),
            "input left/image_rect, input right/image_rect and output disparity are the same topic /cam",
        ),
    ],
)
def test_two_names_for_one_topic_are_refused(arguments: tuple[str, ...], line: str, start_node: StartNode) -> None:
    node = start_node(*arguments, watched=False)
    assert wait_for_exit(node) == 1
    assert node.tail(1) == f"stereo_node: {line}: {REMEDY}"
    assert "QoS" not in node.tail(100)
    assert "Traceback" not in node.tail(100)


def test_a_transport_that_is_set_later_is_checked_by_the_activation(rig: Rig, start_node: StartNode) -> None:
    node = start_node(
        "-p", "autostart:=false", "-r", "points2:=left/image_rect/compressed", module="choosy_node"
    )  # fmt: skip
    assert _change(rig, Transition.TRANSITION_CONFIGURE)
    assert rig.set(input_transport="compressed") == ""
    assert not _change(rig, Transition.TRANSITION_ACTIVATE)
    line = "cannot be activated: input left/image_rect and output points2 are the same topic"
    rig.spin_until(lambda: line in rig.status.get("message", ""), what="the reason in the diagnostics")
    assert line in node.tail()
    assert "building" not in node.tail()  # which may take minutes
    assert rig.set(input_transport="raw") == ""
    assert _change(rig, Transition.TRANSITION_ACTIVATE)


def _change(rig: Rig, transition: int) -> bool:
    answer = rig.call(ChangeState, "/stereo_node/change_state", transition=Transition(id=transition))
    return bool(answer.success)


def test_topics_that_change_places_are_none_too_few(rig: Rig, start_node: StartNode) -> None:
    start_node("-r", "left/image_rect:=right/image_rect", "-r", "right/image_rect:=left/image_rect")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("disparity", good_frame())


def test_a_type_that_ros_refuses_is_not_blamed_on_the_qos(rig: Rig) -> None:
    node = rclpy.create_node("refused", context=rig.context)
    try:
        node.create_publisher(CameraInfo, "taken", 1)
        with pytest.raises(ParameterError) as refused, naming(node, "taken", "subscription"):
            node.create_subscription(PointCloud2, "taken", print, 1)
        assert str(refused.value).startswith("/taken: ROS refuses this subscription (")
        assert "does this process use the topic with another type? Check the remappings" in str(refused.value)
        assert "qos_overrides" not in str(refused.value)
    finally:
        node.destroy_node()

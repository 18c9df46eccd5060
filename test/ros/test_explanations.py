"""Why nothing comes out, told by a real node on a real graph within 3 s, and at which level."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_rig import Rig, good_frame
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from stereo_msgs.msg import DisparityImage

from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]
OK, WARN, ERROR, STALE = (str(bytes([level])) for level in range(4))


def test_a_qos_that_does_not_match_is_named_with_both_sides(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-p", "qos_overrides./left/image_rect.subscription.reliability:=reliable")
    line = (
        "from /left/image_rect: it is published but cannot be received: "
        "rig offers best_effort, volatile but reliable, volatile is asked for; "
        "set qos_overrides./left/image_rect.subscription.reliability to best_effort"
    )
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: line in node.tail(), 10, "the QoS")
        rig.spin_until(lambda: rig.status.get("level") == WARN, what="level WARN")


def test_an_override_stays_with_its_topic(rig: Rig, start_node: StartNode) -> None:
    start_node(
        "-p", "qos_overrides./left/image_rect.subscription.reliability:=reliable",
        "-p", "qos_overrides./disparity.publisher.reliability:=best_effort",
    )  # fmt: skip
    graph = rig.node
    rig.spin_until(lambda: graph.get_subscriptions_info_by_topic("right/camera_info"), what="the last input")
    rig.spin_until(lambda: graph.get_publishers_info_by_topic("disparity/image_color"), what="the last output")
    other = graph.get_subscriptions_info_by_topic("right/camera_info")[0], "BEST_EFFORT"
    colour = graph.get_publishers_info_by_topic("disparity/image_color")[0], "RELIABLE"
    for info, reliability in (other, colour):
        assert info.qos_profile.reliability.name == reliability


def test_another_type_is_named(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-r", "left/image_rect:=cloud")
    rig.node.create_publisher(PointCloud2, "cloud", 1)
    line = "rig has type sensor_msgs/msg/PointCloud2 there and not sensor_msgs/msg/Image; is another topic meant?"
    rig.spin_until(lambda: line in node.tail(), 10, "the type")


@pytest.mark.parametrize(
    ("topic", "remedy"),
    [
        ("/cam/compressed", "set input_transport:=compressed and name the topic /cam: the node adds /compressed"),
        ("/cam", "set input_transport:=compressed and have them sent on /cam/compressed, where the node looks then"),
    ],
)
def test_compressed_images_are_named_with_the_parameter(
    topic: str, remedy: str, rig: Rig, start_node: StartNode
) -> None:
    node = start_node("-r", f"left/image_rect:={topic}")
    rig.node.create_publisher(CompressedImage, topic, 1)
    line = f"rig has type sensor_msgs/msg/CompressedImage there and not sensor_msgs/msg/Image; {remedy}"
    rig.spin_until(lambda: line in node.tail(), 10, "the type")


@pytest.mark.parametrize("asked", ["raw", "compressed"])
def test_images_that_come_by_the_other_transport_are_named(asked: str, rig: Rig, start_node: StartNode) -> None:
    node = start_node("-r", "left/image_rect:=/cam", "-p", f"input_transport:={asked}")
    sent, kind, topic = ("compressed", CompressedImage, "/cam/compressed") if asked == "raw" else ("raw", Image, "/cam")
    rig.node.create_publisher(kind, topic, 1)
    line = f"cannot be received: rig sends {sent} images on {topic}; set input_transport:={sent}"
    rig.spin_until(lambda: line in node.tail(), 10, "the transport")


def test_compressed_images_under_the_name_of_raw_ones_are_not_called_raw(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-r", "left/image_rect:=/cam", "-p", "input_transport:=compressed")
    rig.node.create_publisher(CompressedImage, "/cam", 1)
    line = "rig sends sensor_msgs/msg/CompressedImage on /cam; have it sent on /cam/compressed"
    rig.spin_until(lambda: line in node.tail(), 10, "the topic")


def test_a_listener_that_nothing_can_reach_is_named(rig: Rig, start_node: StartNode) -> None:
    node = start_node()
    lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rig.node.create_subscription(DisparityImage, "disparity", print, lasting)
    line = (
        "nothing reaches the listener of /disparity: "
        "rig asks for reliable, transient_local but reliable, volatile is offered"
    )
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: line in node.tail(), 10, "the listener")


def test_that_nobody_listens_is_no_fault(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-p", "min_output_rate:=1.0", "-p", "diagnostics_window:=1.0")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: "nobody listens to any output" in node.tail(), what="the line")
        rig.spin_until(lambda: rig.status.get("message") == "nobody listens to any output", what="the message")
        assert rig.status["level"] == OK
        rig.spin_for(1.5)
        assert rig.status["level"] == OK


def test_without_any_input_the_state_is_stale_and_said_in_3_seconds(rig: Rig, start_node: StartNode) -> None:
    node = start_node()
    rig.spin_until(lambda: "no input for 2.5 s from" in node.tail(), what="the line")
    active, told = (float(re.findall(rf"\[([0-9.]+)\].*{words}", node.tail())[0]) for words in ("backend", "no input"))
    assert told - active <= 3.2  # 3 s, looked for twice a second, and its message
    rig.spin_until(lambda: rig.status.get("level") == STALE, what="level STALE")


def test_a_silence_that_lasts_becomes_an_error_and_ends(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "error_after:=5.0")
    rig.listen("disparity")
    frame = good_frame(silent=("right/image_rect",))
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: rig.status.get("level") == WARN, what="level WARN")
        rig.spin_until(lambda: rig.status["level"] == ERROR, what="level ERROR")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: rig.status["level"] == OK, what="level OK")
        assert rig.status["message"].endswith("Hz")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"min_output_rate": 100.0}, "is below min_output_rate = 100 Hz"),
        ({"max_latency": 0.0001}, "is above max_latency = 0.0001 s"),
    ],
)
def test_a_limit_that_is_broken_is_a_warning(
    limit: dict[str, float], words: str, rig: Rig, start_node: StartNode
) -> None:
    start_node("-p", "diagnostics_window:=1.0")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: rig.status.get("level") == OK and rig.received["disparity"], what="level OK")
        rig.set(**limit)
        rig.spin_until(lambda: words in rig.status["message"], what="the limit")
        assert rig.status["level"] == WARN
        rig.set(**dict.fromkeys(limit, 0.0))
        rig.spin_until(lambda: rig.status["level"] == OK, what="level OK again")


def test_lost_sets_above_the_limit_are_a_warning(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "max_drop_share:=0.1", module="slow_node", seconds="0.3")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame), period=0.1):
        rig.spin_until(lambda: "is above max_drop_share = 0.1" in rig.status.get("message", ""), what="the limit")


def test_a_frame_that_takes_long_is_said(rig: Rig, start_node: StartNode) -> None:
    node = start_node(module="slow_node", seconds="4.5")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: "the frame in work takes long: " in node.tail(), 10, "the line")

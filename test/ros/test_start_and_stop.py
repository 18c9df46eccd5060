"""How the node starts, refuses to start, explains its silence, and ends."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_rig import Rig, good_frame, wait_for_exit

from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("-p", "scale:=9.0"), "stereo_node: scale = 9.0: allowed is 0, 0.125 to 4 (default 0.0)"),
        (("-p", "sync:=sometimes"), "stereo_node: sync = 'sometimes': allowed is exact, approximate (default 'exact')"),
        (("-p", "max_disparity:=100"), "allowed is 32 to 416 px in steps of 32"),
        (("-p", "iterations:=many"), "iterations = 'many': an integer is needed"),
        (("--params-file", "/no/such/file.yaml"), "/no/such/file.yaml"),
        (("-p", "qos_overrides./points2.publisher.depth:=-3"), "parameters qos_overrides./points2.publisher.*"),
        (("-r", "__node:=a b"), "a b"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(arguments: tuple[str, ...], line: str, start_node: StartNode) -> None:
    node = start_node(*arguments, watched=False)
    assert wait_for_exit(node) == 1
    last = node.tail(1)
    assert last.startswith("stereo_node: ")
    assert line in last
    assert "Traceback" not in node.tail(100)


def test_an_int_is_taken_for_a_float_parameter(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "scale:=1")
    rig.spin_until(lambda: "sets" in rig.status, what="diagnostics")


def test_a_second_node_of_the_same_name_is_told(rig: Rig, start_node: StartNode) -> None:
    nodes = start_node(), start_node()
    rig.spin_until(lambda: all("another node is called /stereo_node" in each.tail() for each in nodes), what="warnings")


def test_a_silent_camera_is_named(rig: Rig, start_node: StartNode) -> None:
    node = start_node()
    frame = good_frame(silent=("right/image_rect",))
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(
            lambda: "from /right/image_rect: it has a publisher but nothing arrives" in node.tail(),
            10,
            "the silent topic",
        )
    assert "left/image_rect" not in node.tail(1)
    rig.spin_until(lambda: rig.status.get("level") == str(b"\x01"), what="level WARN")


def test_a_missing_camera_is_told_before_any_frame(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-r", "__ns:=/head", "-r", "left/image_rect:=cam/left")
    line = (
        "/head/cam/left, /head/right/image_rect, /head/left/camera_info, /head/right/camera_info: nobody publishes it"
    )
    rig.spin_until(lambda: line in node.tail(), 10, "the topics without publisher")


def test_stamps_that_never_meet_are_explained_once(rig: Rig, start_node: StartNode) -> None:
    node = start_node()
    offsets = itertools.count(20_000_000, 1_000_000)  # ns; the numbers in the line change, the line is the same

    def send() -> None:
        offset = next(offsets)
        rig.send(good_frame(stamps=(0, offset, 0, offset)))

    with rig.sending(send):
        rig.spin_until(lambda: "no stamps match" in node.tail(), 10, "the explanation")
        rig.spin_for(2.5)
    assert node.tail(50).count("no stamps match") == 1
    assert "against /left/image_rect: /right/image_rect +0.0" in node.tail()
    assert "sync:=approximate" in node.tail()
    assert int(rig.status["unsynchronised left/image_rect"]) > 0


def test_an_input_that_ros_refuses_is_named_with_its_parameters(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-p", "qos_overrides./left/image_rect.subscription.depth:=-3")
    rig.spin_until(lambda: "stays inactive" in node.tail(), what="the reason")
    assert "/left/image_rect: ROS refuses this subscription" in node.tail()
    assert "qos_overrides./left/image_rect.subscription.*" in node.tail()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_frame_ends_it_cleanly(number: int, rig: Rig, start_node: StartNode) -> None:
    node = start_node(module="slow_node", seconds="1.5")
    _wait_for_a_frame_in_work(rig)
    node.send_signal(number)
    assert wait_for_exit(node, 15) == 0, node.tail(40)
    # On a busy machine DDS may need 3 s to find the camera, which is said.
    unexpected = [line for line in node.tail(100).splitlines() if "[INFO]" not in line and "no input for" not in line]
    assert unexpected == []


def test_a_frame_that_never_ends_is_left_behind(rig: Rig, start_node: StartNode) -> None:
    node = start_node(module="slow_node", seconds="1000")
    _wait_for_a_frame_in_work(rig)
    node.send_signal(signal.SIGINT)
    assert wait_for_exit(node, 15) == 0, node.tail(40)
    assert "the frame in work does not end" in node.tail(1)


@pytest.mark.parametrize("autostart", ["true", "false"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_backend_loads_ends_it_without_a_word(
    number: int, autostart: str, rig: Rig, start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOOSY_BUILD_SECONDS", "2.0")
    node = start_node("-p", f"autostart:={autostart}", module="choosy_node", watched=False)
    if autostart == "false":
        change = "/stereo_node/change_state"
        assert rig.call(ChangeState, change, transition=Transition(id=Transition.TRANSITION_CONFIGURE)).success
        with rig.client(ChangeState, change) as client:
            client.call_async(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE)))
            rig.spin_until(lambda: "building" in node.tail(), what="the activation")
    rig.spin_until(lambda: "building" in node.tail(), what="the activation")
    node.send_signal(number)
    assert wait_for_exit(node, 15) == 0, node.tail(40)
    assert set(node.tail(100).splitlines()) <= {"building", "freed counting 8"}


def _wait_for_a_frame_in_work(rig: Rig) -> None:
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()

    def in_work() -> bool:
        dropped = sum(int(value) for key, value in rig.status.items() if key.startswith("dropped_"))
        return int(rig.status.get("sets", 0)) > int(rig.status.get("published", 0)) + dropped

    with rig.sending(lambda: rig.send(frame), period=0.2):
        rig.spin_until(in_work, what="a frame in work")

"""A parameter that the node does not have, from a file or the command line: the node says so, and what may be meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ros_rig import Rig

from ffstereo_ros.params import defaults
from ffstereo_ros.ros.overrides import describe_unknown, describe_unknown_qos, nearest
from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]
NAMES = tuple(defaults())

FILE = """
/**:
  ros__parameters:
    use_sim_time: false
    start_type_description_service: true
    max_disparty: 64
    iterations: 4
    FollowPath: {desired_velocity: 0.5}
    qos_overrides: {/left/image_rect: {subscription: {reliability: reliable}}}
stereo_node:
  ros__parameters:
    scal: 2.0
    filters: {speckle_size: 100}
"""


def _log_of(rig: Rig, node: ModuleProcess) -> str:
    rig.spin_until(lambda: "sets" in rig.status, what="diagnostics")
    return node.tail(100)


def test_each_name_in_a_file_that_may_be_a_slip_is_warned_of(rig: Rig, start_node: StartNode, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text(FILE, encoding="utf-8")
    log = _log_of(rig, start_node("--params-file", str(file), "-p", "nonsense:=2"))
    assert "[WARN]" in log
    for name, meant in (
        ("max_disparty = 64", "max_disparity"),
        ("scal = 2.0", "scale"),
        ("filters.speckle_size = 100", "speckle_size"),
    ):
        line = f"parameter {name} has no effect: the node has none of that name; did you mean {meant}?"
        assert log.count(line) == 1, log
    others = [line for line in log.splitlines() if "FollowPath" in line]
    assert len(others) == 1
    assert "[INFO]" in others[0]
    assert "FollowPath.desired_velocity, nonsense have no effect on this node" in others[0]
    assert log.count("no effect") == 4


def test_what_the_node_and_rclpy_have_is_not_spoken_of(rig: Rig, start_node: StartNode) -> None:
    given = ("use_sim_time:=false", "start_type_description_service:=false", "scale:=1", "iterations:=4")
    qos = "qos_overrides./points2.publisher.reliability:=best_effort"
    node = start_node(*(word for each in (*given, qos) for word in ("-p", each)))
    assert "no effect" not in _log_of(rig, node)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("max_disparty", "max_disparity"),
        ("Scale", "scale"),
        ("roi_with", "roi_width"),
        ("max-depth", "max_depth"),
        ("use_simtime", "use_sim_time"),
        ("filters.speckle_size", "speckle_size"),
        ("stereo.filters.speckle_sise", "speckle_size"),
        ("nonsense", None),
        ("rate", None),  # the player's, in one process with the node
        ("controller.plugin", None),
        ("", None),
    ],
)
def test_what_may_be_meant(given: str, meant: str | None) -> None:
    assert nearest(given, (*NAMES, "use_sim_time")) == meant


def test_a_file_for_a_whole_robot_is_one_line() -> None:
    warnings, info = describe_unknown({f"other_node_{number:02}.plugin": "x" for number in range(40)}, NAMES)
    assert warnings == []
    assert info.startswith("parameters other_node_00.plugin, ")
    assert "other_node_07.plugin and 32 more have no effect on this node" in info
    assert describe_unknown({}, NAMES) == ([], "")


def _sides(*topics: str) -> list[str]:
    return [f"{topic}.subscription.{policy}" for topic in topics for policy in ("depth", "history", "reliability")]


@pytest.mark.parametrize(
    ("given", "namespace", "said"),
    [
        ("/left/image_rect.subscription.durability", "/", "of this topic depth, history, reliability can be set"),
        ("/left/image_rec.subscription.depth", "/", "did you mean qos_overrides./left/image_rect.subscription.depth?"),
        ("/left/image_rect.subscribtion.depth", "/", "did you mean qos_overrides./left/image_rect.subscription.depth?"),
        ("left/image_rect.subscription.depth", "/", "did you mean qos_overrides./left/image_rect.subscription.depth?"),
        ("/left/image_rect.subscription.depth", "/rear", "did you mean qos_overrides./rear/left/image_rect.subscr"),
        ("/cam_1/left/image_rect.subscription.depth", "/cam_2", None),  # another camera's
        ("/left/image_rect/compressed.subscription.depth", "/", None),  # for when they are taken compressed
        ("/scan.subscription.depth", "/", None),
        ("", "/", None),
    ],
)
def test_what_qos_parameter_may_be_meant(given: str, namespace: str, said: str | None) -> None:
    names = _sides(*(f"{namespace.rstrip('/')}/{side}/image_rect" for side in ("left", "right")))
    lines = describe_unknown_qos({given: "1"}, names, namespace)
    assert len(lines) == (said is not None)
    for line in lines:
        assert f"parameter qos_overrides.{given} = 1 has no effect: {said}" in line


def test_a_qos_parameter_without_effect_is_told_by_the_node(rig: Rig, start_node: StartNode) -> None:
    begins = "qos_overrides./left/image_rect.subscription"
    log = _log_of(rig, start_node("-p", f"{begins}.reliabilty:=reliable", "-p", f"{begins}.depth:=3"))
    assert log.count("has no effect") == 1
    assert f"parameter {begins}.reliabilty = reliable has no effect: of this topic depth, history, reliability" in log

"""Parameters of a running node: all or none, between two frames, and never in the executor's way."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_rig import CX_LEFT, CX_RIGHT, HEIGHT, WIDTH, Rig, good_frame

from ffstereo_ros.ros.parameters import LiveParameters
from ffstereo_ros.ros.processes import ModuleProcess
from ffstereo_ros.ros.settings import NodeSettings

StartNode = Callable[..., ModuleProcess]

_SHIFT = CX_RIGHT - CX_LEFT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"speckle_size": 9, "iterations": 99}, "Max: 64"),
        ({"speckle_size": 9, "max_disparity": 100}, "not a valid step"),
        ({"speckle_size": 9, "depth_encoding": "64FC1"}, "depth_encoding = '64FC1': allowed is 32FC1, 16UC1"),
        ({"speckle_size": 9, "min_depth": 5.0, "max_depth": 4.0}, "min_depth = 5 m and max_depth = 4 m"),
        ({"speckle_size": 9, "backend": "torch"}, "backend = 'torch': cannot change while the node is active"),
        ({"speckle_size": 9, "sync_queue_size": 3}, "ros2 lifecycle set /stereo_node deactivate"),
        ({"speckle_size": 9, "autostart": False}, "read-only"),
        ({"speckle_size": "nine"}, "Wrong parameter type"),
    ],
)
def test_one_that_is_refused_changes_nothing(
    changes: dict[str, object], reason: str, lasting_rig: Rig, lasting_node: ModuleProcess
) -> None:
    before = lasting_rig.get(*changes)
    assert reason in lasting_rig.set(**changes)
    assert lasting_rig.get(*changes) == before


def test_what_is_the_same_may_be_set_whatever_it_is(lasting_rig: Rig, lasting_node: ModuleProcess) -> None:
    assert lasting_rig.set(backend="sgbm", sync="exact", scale=1.0) == ""


def test_an_int_is_taken_for_a_float(lasting_rig: Rig, lasting_node: ModuleProcess) -> None:
    assert lasting_rig.set(scale=1, max_depth=50) == ""
    assert lasting_rig.get("max_depth") == [50.0]


def test_every_output_follows_its_parameters(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("depth/image_rect", "points2", "disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    assert rig.answer("points2", good_frame()).width == WIDTH
    assert rig.set(cloud_stride=3, depth_encoding="16UC1", publish_disparity=False) == ""
    cloud = rig.answer("points2", good_frame())
    assert (cloud.width, cloud.height, cloud.row_step) == (-(-WIDTH // 3), HEIGHT // 3, 16 * -(-WIDTH // 3))
    assert len(cloud.data) == cloud.row_step * cloud.height
    assert rig.answer("depth/image_rect", good_frame()).encoding == "16UC1"
    silent = len(rig.received["disparity"])
    rig.answer("points2", good_frame())
    assert len(rig.received["disparity"]) == silent
    assert rig.set(publish_disparity=True) == ""
    rig.answer("disparity", good_frame())


def test_a_filter_is_switched_on_and_its_time_shown(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    assert rig.set(roi_x=100, left_right_tolerance=1.0) == ""
    disparity = rig.answer("disparity", good_frame())
    values = np.frombuffer(disparity.image.data, np.float32).reshape(HEIGHT, WIDTH)
    assert (values[:, :100] < disparity.min_disparity).all()
    assert (values[8:-8, 108:-8] >= disparity.min_disparity).all()
    rig.spin_until(lambda: "filter_left_right_p50_ms" in rig.status, what="the filter's time")
    assert "filter_speckle_p50_ms" not in rig.status


def test_the_rate_is_capped_and_what_is_held_back_counted(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "max_rate:=5.0", "-p", "cloud_rate:=1.0", "-p", "max_drop_share:=0.1")
    rig.listen("disparity", "points2")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame), period=0.03):
        rig.spin_until(lambda: rig.received["disparity"], what="the first answer")
        before = len(rig.received["disparity"]), len(rig.received["points2"]), time.monotonic()
        rig.spin_for(4.0)
        seconds = time.monotonic() - before[2]
    assert 3.0 <= (len(rig.received["disparity"]) - before[0]) / seconds <= 5.6
    assert 2 <= len(rig.received["points2"]) - before[1] <= 6
    assert int(rig.status["dropped_rate_limited"]) > 20
    assert rig.status["level"] == str(b"\x00")  # held back on purpose is not lost


def test_another_matcher_takes_over_between_two_frames(
    rig: Rig, start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOOSY_BUILD_SECONDS", "4.0")
    node = start_node("-p", "iterations:=4", module="choosy_node")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame), period=0.05):
        rig.spin_until(lambda: rig.received["disparity"], what="the first answer")
        began = time.monotonic()
        assert rig.set(iterations=6) == ""
        assert rig.get("iterations") == [6]
        assert time.monotonic() - began < 3.5, "the executor waited for the matcher"
        old = len(rig.received["disparity"])
        rig.spin_until(lambda: _disparities(rig)[-1] == 6, what="the new matcher's answers")
    found = _disparities(rig)
    assert set(found) == {4, 6}
    assert found == sorted(found)
    assert found.count(4) > old + 5, "the old matcher serves on"
    assert "freed counting 4" in node.tail()


def test_a_matcher_that_cannot_be_had_puts_the_parameters_back(
    rig: Rig, start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node("-p", "iterations:=4", module="choosy_node")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    assert rig.set(iterations=13, speckle_size=7) == ""
    line = "change refused: no engine for 13 iterations; back to iterations = 4, max_disparity = 64, scale = 0.0"
    rig.spin_until(lambda: line in node.tail(), what="the refusal")
    assert rig.get("iterations", "speckle_size") == [4, 7]
    rig.answer("disparity", good_frame())
    assert _disparities(rig)[-1] == 4


def test_the_scale_needs_no_other_backend(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-p", "iterations:=4", module="choosy_node")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    assert rig.set(scale=0.5) == ""
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: rig.received["disparity"] and _disparities(rig)[-1] == 8, what="4 px at half size")
    assert "freed" not in node.tail(50)


def _disparities(rig: Rig) -> list[float]:
    return [np.frombuffer(each.image.data, np.float32)[0] - _SHIFT for each in rig.received["disparity"]]


@pytest.mark.parametrize("post_callbacks", [True, False])
def test_with_and_without_callbacks_after_setting(
    post_callbacks: bool, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Humble has none."""
    if not post_callbacks:
        monkeypatch.delattr(Node, "add_post_set_parameters_callback")
    changes: list[NodeSettings] = []
    node = rclpy.create_node("live", context=rig.context)
    try:
        live = LiveParameters(node, lambda: True, changes.append)
        results = node.set_parameters([Parameter("speckle_size", value=5), Parameter("scale", value=9.0)])
        assert [result.successful for result in results] == [True, False]
        assert [change.frame.filters.speckle_size for change in changes] == [5]
        assert changes[-1] == live.settings
    finally:
        node.destroy_node()

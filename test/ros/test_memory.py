"""What a restart leaves behind is freed at once: frames, filters and backends are large."""

from __future__ import annotations

import gc
import time
import weakref

import pytest
from rclpy.parameter import Parameter
from ros_rig import Rig, good_frame

from ffstereo_ros.ros import stereo_node
from ffstereo_ros.ros.stereo_node import StereoNode
from ffstereo_ros.ros.synchronisation import StereoSet


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When freed memory was given back, 0.4 s after what it is for."""
    times: list[float] = []
    monkeypatch.setattr(stereo_node, "_GIVE_BACK_S", 0.4)
    monkeypatch.setattr(stereo_node, "give_back_freed_memory", lambda: times.append(time.monotonic()))
    return times


def test_a_deactivated_node_holds_nothing_of_its_active_time(rig: Rig) -> None:
    parameters = [Parameter("backend", value="sgbm"), Parameter("max_disparity", value=64)]
    node = StereoNode(context=rig.context, parameter_overrides=parameters)
    gone = weakref.ref(node._pipeline)
    frame = good_frame()
    gc.disable()  # the node may collect, but nobody else
    try:
        node.submit(StereoSet(frame.left, frame.right, frame.left_info, frame.right_info))
        node.trigger_deactivate()
        assert gone() is None
        node.trigger_activate()
        assert node._pipeline is not None
    finally:
        gc.enable()
        node.destroy_node()


def test_memory_is_given_back_once_after_changes_and_at_rest(rig: Rig, given_back: list[float]) -> None:
    node = StereoNode(context=rig.context, parameter_overrides=[Parameter("backend", value="sgbm")])
    rig.executor.add_node(node)
    rig.spin_for(0.6)
    assert given_back == []  # nothing has changed
    node.set_parameters([Parameter("max_disparity", value=64)])
    rig.spin_until(lambda: given_back, what="memory given back after a change")
    rig.spin_for(0.6)
    assert len(given_back) == 1
    node.trigger_deactivate()
    rig.spin_until(lambda: len(given_back) > 1, what="memory given back at rest")
    rig.spin_for(0.6)
    assert len(given_back) == 2
    node.destroy_node()


def test_changes_that_never_end_do_not_put_it_off(rig: Rig, given_back: list[float]) -> None:
    node = StereoNode(context=rig.context, parameter_overrides=[Parameter("backend", value="sgbm")])
    rig.executor.add_node(node)
    for index in range(10):
        node.set_parameters([Parameter("min_depth", value=0.1 + 0.1 * index)])
        rig.spin_for(0.1)
    last = time.monotonic() - 0.1
    assert given_back
    # What the last change freed goes back, too.
    rig.spin_until(lambda: given_back[-1] > last + 0.3, what="memory given back after the last change")
    count = len(given_back)
    rig.spin_for(0.6)
    assert len(given_back) == count <= 4
    node.destroy_node()

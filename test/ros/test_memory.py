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


def test_memory_is_given_back_by_a_node_at_rest_and_not_by_a_restart(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[float] = []
    monkeypatch.setattr(stereo_node, "_AT_REST_S", 0.3)
    monkeypatch.setattr(stereo_node, "give_back_freed_memory", lambda: given_back.append(time.monotonic()))
    node = StereoNode(context=rig.context, parameter_overrides=[Parameter("backend", value="sgbm")])
    rig.executor.add_node(node)
    node.trigger_deactivate()
    node.trigger_activate()
    rig.spin_for(0.6)
    assert given_back == []
    node.trigger_deactivate()
    rig.spin_until(lambda: given_back, what="memory given back")
    rig.spin_for(0.6)
    assert len(given_back) == 1
    node.destroy_node()

"""What a restart leaves behind is freed at once: frames, filters and backends are large."""

from __future__ import annotations

import gc
import weakref

from rclpy.parameter import Parameter
from ros_rig import Rig, good_frame

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

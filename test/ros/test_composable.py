"""Two nodes live in one process, and leave nothing behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from rclpy.parameter import Parameter
from ros_rig import Rig, good_frame

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.ros.stereo_node import StereoNode


def _inference_threads() -> int:
    return sum(thread.name == "inference" for thread in threading.enumerate())


def _node(rig: Rig, name: str, namespace: str = "", **values: object) -> StereoNode:
    overrides = [
        Parameter(key, value=value) for key, value in {"backend": "sgbm", "max_disparity": 64, **values}.items()
    ]
    return StereoNode(name, namespace=namespace, context=rig.context, parameter_overrides=overrides)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What leaves, leaves by itself."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_two_nodes_in_one_process(rig: Rig) -> None:
    nodes = [_node(rig, "front"), _node(rig, "front", "/rear")]
    assert _inference_threads() == 2
    for node in nodes:
        rig.executor.add_node(node)
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the first node's topics")
    rig.answer("disparity", good_frame())
    assert rig.node.count_subscribers("/rear/left/image_rect") == 1
    for node in nodes:
        rig.executor.remove_node(node)
        node.destroy_node()
        assert not node.left_behind
    rig.spin_until(lambda: "front" not in rig.node.get_node_names(), what="both to leave the graph")
    assert _inference_threads() == 0


def test_a_node_that_is_refused_leaves_no_thread(rig: Rig) -> None:
    with pytest.raises(ParameterError, match="sync_queue_size = 1: allowed is 2 to 100"):
        _node(rig, "front", sync_queue_size=1)
    assert _inference_threads() == 0

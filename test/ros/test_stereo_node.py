"""The node as a process, on good input: what comes out is right, lazy, and accounted for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ros_rig import BASELINE, CX_LEFT, CX_RIGHT, FOCAL, HEIGHT, OUTPUTS, SHIFT, WIDTH, Rig, good_frame
from sensor_msgs_py.point_cloud2 import read_points

from ffstereo_ros.ros.processes import ModuleProcess

# Of the shifted noise image SGBM answers all but the border of its 5x5 window within this, px (worst measured: 0.0).
_TOLERANCE_PX = 0.07
_DEPTH = FOCAL * BASELINE / (SHIFT + CX_RIGHT - CX_LEFT)
_TOLERANCE_M = _DEPTH**2 / (FOCAL * BASELINE) * _TOLERANCE_PX

StartNode = Callable[..., ModuleProcess]


def _inner(values: np.ndarray) -> np.ndarray:
    """Without the band that the right image does not show, and the border."""
    return values[8:-8, SHIFT + 8 : -8]


def test_all_outputs_of_a_plane(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen()
    rig.spin_until(rig.connected, what="the node's topics")
    disparity = rig.answer("disparity", good_frame())
    stamp = disparity.header.stamp
    names = [name for name in OUTPUTS if name != "confidence"]

    def same(name: str) -> list[object]:
        return [message for message in rig.received[name] if message.header.stamp == stamp]

    rig.spin_until(lambda: all(same(name) for name in names), what="every output of one set")
    assert all(same(name)[0].header.frame_id == "left_optical" for name in names)

    values = np.frombuffer(disparity.image.data, np.float32).reshape(HEIGHT, WIDTH)
    assert disparity.f * disparity.t / _inner(values).mean() == pytest.approx(_DEPTH, abs=_TOLERANCE_M)
    np.testing.assert_allclose(_inner(values), SHIFT + CX_RIGHT - CX_LEFT, atol=_TOLERANCE_PX)
    assert (disparity.min_disparity, disparity.max_disparity, disparity.delta_d) == (3.0, 67.0, 1 / 16)

    depth = np.frombuffer(same("depth/image_rect")[0].data, np.float32).reshape(HEIGHT, WIDTH)
    np.testing.assert_allclose(_inner(depth), _DEPTH, atol=_TOLERANCE_M)
    info = same("depth/camera_info")[0]
    assert (info.width, info.height, info.p[0], info.p[3]) == (WIDTH, HEIGHT, FOCAL, 0.0)
    points = read_points(same("points2")[0]).reshape(HEIGHT, WIDTH)
    np.testing.assert_array_equal(points["z"], depth)
    assert rig.received["confidence"] == []  # sgbm has none


def test_nothing_is_computed_that_nobody_listens_to(rig: Rig, start_node: StartNode) -> None:
    node = start_node()
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: int(rig.status.get("dropped_no_subscriber", 0)) >= 5, what="sets counted as unwanted")
        assert (rig.status["published"], "infer_p50_ms" in rig.status) == ("0", False)
        rig.listen("depth/image_rect")
        rig.spin_until(lambda: rig.received["depth/image_rect"], what="depth once somebody listens")
        rig.spin_until(lambda: int(rig.status["published"]) > 0, what="the count of what was published")
    assert node.tail(100).count("nobody listens") == 1


def test_every_set_is_published_or_counted(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame(640, 480)  # at 100 Hz, more than SGBM can do
    with rig.sending(lambda: rig.send(frame), period=0.01):
        rig.spin_until(lambda: int(rig.status.get("dropped_superseded", 0)) >= 5, what="superseded sets")
    settled = rig.reports + 3
    rig.spin_until(lambda: rig.reports >= settled, what="the counts after the last frame")
    dropped = sum(int(value) for key, value in rig.status.items() if key.startswith("dropped_"))
    assert int(rig.status["sets"]) == int(rig.status["published"]) + dropped
    for stage in ("stamp_to_publish", "in_node", "wait", "convert", "infer", "backend", "geometry", "publish"):
        if stage != "geometry":  # a disparity alone needs none
            assert 0 <= float(rig.status[f"{stage}_p50_ms"]) <= float(rig.status[f"{stage}_max_ms"])


def test_camera_info_that_changes_in_mid_stream_takes_effect(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("depth/image_rect")
    rig.spin_until(rig.connected, what="the node's topics")
    first = rig.answer("depth/image_rect", good_frame())
    changed = good_frame()
    changed.right_info.p[3] *= 2
    second = rig.answer("depth/image_rect", changed)
    ratio = np.frombuffer(second.data, np.float32) / np.frombuffer(first.data, np.float32)
    assert np.nanmedian(ratio) == pytest.approx(2.0, rel=1e-5)


def test_stamps_that_step_back_do_not_stop_the_node(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-p", "sync_queue_size:=2")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    # Two left images of an hour ahead wait for partners: by stamp the newest, they would crowd out every later one.
    ahead = good_frame(stamps=(3600 * 10**9,) * 4, silent=("right/image_rect",))
    with rig.sending(lambda: rig.send(ahead)):
        rig.spin_until(lambda: int(rig.status.get("received left/image_rect", 0)) > 2, what="images of an hour ahead")
    rig.answer("disparity", good_frame())
    assert "stepped back" in node.tail()


def test_approximate_sync_takes_stamps_within_its_tolerance(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "sync:=approximate", "-p", "sync_tolerance:=0.02")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    answer = rig.answer("disparity", good_frame(stamps=(0, 8_000_000, -4_000_000, 3_000_000)))
    assert answer.image.width == WIDTH


def test_depth_of_16_bits_in_millimetres_and_its_range(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "depth_encoding:=16UC1", "-p", "min_depth:=0.5", "-p", "max_depth:=2")
    rig.listen("depth/image_rect")
    rig.spin_until(rig.connected, what="the node's topics")
    depth = rig.answer("depth/image_rect", good_frame())
    assert (depth.encoding, depth.step) == ("16UC1", 2 * WIDTH)
    values = np.frombuffer(depth.data, np.uint16).reshape(HEIGHT, WIDTH)
    np.testing.assert_allclose(_inner(values), 1e3 * _DEPTH, atol=1e3 * _TOLERANCE_M + 0.5)
    beyond = good_frame()
    beyond.right_info.p[3] *= 3  # the plane moves from 0.8 m to 2.4 m
    assert not np.frombuffer(rig.answer("depth/image_rect", beyond).data, np.uint16).any()


def test_qos_of_every_topic_can_be_overridden(rig: Rig, start_node: StartNode) -> None:
    start_node(
        "-p", "qos_overrides./left/image_rect.subscription.reliability:=reliable",
        "-p", "qos_overrides./points2.publisher.reliability:=best_effort",
    )  # fmt: skip
    rig.spin_until(lambda: rig.node.get_publishers_info_by_topic("points2"), what="the node's cloud")
    rig.spin_until(lambda: rig.node.get_subscriptions_info_by_topic("left/image_rect"), what="the node's input")
    assert rig.node.get_publishers_info_by_topic("points2")[0].qos_profile.reliability.name == "BEST_EFFORT"
    subscription = rig.node.get_subscriptions_info_by_topic("left/image_rect")[0]
    assert subscription.qos_profile.reliability.name == "RELIABLE"

"""Camera and node in one process: sets come without a subscription in between, and each keeps its own stamp."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.parameter import Parameter
from ros_rig import CX_LEFT, CX_RIGHT, HEIGHT, SHIFT, WIDTH, Rig, good_frame, plane

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.demo.motorcycle import KnownPair
from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros import composition
from ffstereo_ros.ros.player import FRAME, StereoPlayer
from ffstereo_ros.ros.stereo_node import StereoNode
from ffstereo_ros.ros.synchronisation import StereoSet


def _pair() -> KnownPair:
    left, right = (np.repeat(each[..., None], 3, axis=2) for each in plane())
    camera = StereoCamera(WIDTH, HEIGHT, 120.0, 120.0, CX_LEFT, CX_RIGHT, HEIGHT / 2, 0.1)
    return KnownPair("plane", left, right, np.full((HEIGHT, WIDTH), np.nan, np.float32), camera)


def _node(rig: Rig, **values: object) -> StereoNode:
    overrides = {"backend": "sgbm", "max_disparity": 64, **values}
    parameters = [Parameter(key, value=value) for key, value in overrides.items()]
    return StereoNode(context=rig.context, parameter_overrides=parameters)


def test_a_camera_hands_over_to_the_node(rig: Rig) -> None:
    node = _node(rig)
    player = StereoPlayer(_pair(), hand_over=node.submit, context=rig.context)
    for each in (node, player):
        rig.executor.add_node(each)
    rig.listen("disparity")
    rig.spin_until(lambda: len(rig.received["disparity"]) >= 3, what="three disparities")
    rig.spin_until(lambda: int(rig.status.get("published", 0)) >= 3, what="diagnostics")
    try:
        # Nothing was sent: neither by the camera, nor received by the node.
        assert rig.node.count_publishers("left/image_rect") == 1  # the rig's own
        assert rig.status["received left/image_rect"] == "0"
        assert rig.status["level"] == str(b"\x00"), rig.status["message"]
        messages = rig.received["disparity"][:3]
        values = np.frombuffer(messages[0].image.data, np.float32).reshape(HEIGHT, WIDTH)
        np.testing.assert_allclose(values[8:-8, SHIFT + 8 : -8], SHIFT + CX_RIGHT - CX_LEFT, atol=0.07)
        assert {message.header.frame_id for message in messages} == {FRAME}
        stamps = [message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec for message in messages]
        assert 0 < stamps[1] - stamps[0] < 5
    finally:
        for each in (player, node):
            rig.executor.remove_node(each)
            each.destroy_node()


def test_a_set_that_was_handed_over_does_not_change(rig: Rig) -> None:
    """The inference thread reads one set while the camera makes the next."""
    sets: list[StereoSet] = []
    player = StereoPlayer(_pair(), hand_over=sets.append, context=rig.context)
    rig.executor.add_node(player)
    rig.spin_until(lambda: len(sets) >= 2, what="two sets")
    first, second = sets[:2]
    assert second.stamp_ns - first.stamp_ns > 0
    assert first.left.header == first.right.header == first.left_info.header == first.right_info.header
    assert first.left.data is second.left.data  # handed over, not copied
    assert (first.left_info.p[3], first.right_info.p[3]) == (0.0, -12.0)
    rig.executor.remove_node(player)
    player.destroy_node()


def test_an_inactive_node_ignores_what_is_handed_over(rig: Rig) -> None:
    node = _node(rig, autostart=False)
    frame = good_frame()
    node.submit(StereoSet(frame.left, frame.right, frame.left_info, frame.right_info))
    node.destroy_node()


def test_without_its_pair_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> KnownPair:
        raise BackendError("no scikit-image")

    assert composition.main(["x"], load_pair=fail) == 1
    assert capsys.readouterr().err == "composed_player: no scikit-image\n"

"""Listened to, and yet nothing comes: held back, switched off, or not given. The node counts it so and says it."""

from __future__ import annotations

from collections.abc import Callable

from ros_rig import Rig, good_frame
from std_srvs.srv import SetBool, Trigger

from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]
OK, WARN, ERROR = (str(bytes([level])) for level in range(3))
ONCE = "/stereo_node/compute_once"


def _settle(rig: Rig) -> None:
    settled = rig.reports + 3
    rig.spin_until(lambda: rig.reports >= settled, what="the counts after the last frame")


def test_as_many_sets_are_published_as_clouds_are_sent(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "cloud_rate:=0.5")
    rig.listen("points2")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: len(rig.received["points2"]) >= 2, what="two clouds")
        assert rig.status["level"] == OK
    _settle(rig)
    assert int(rig.status["published"]) == len(rig.received["points2"]) < 10
    assert int(rig.status["dropped_rate_limited"]) >= 5


def test_a_cloud_that_is_asked_for_comes_whatever_its_rate(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "cloud_rate:=0.001")
    rig.listen("points2")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("points2", good_frame())
    assert rig.call(SetBool, "/stereo_node/enable", data=False).success
    before = len(rig.received["points2"])
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        for clouds in (before + 1, before + 2):
            answer = rig.call(Trigger, ONCE)
            assert (answer.success, answer.message) == (True, "published")
            rig.spin_until(lambda clouds=clouds: len(rig.received["points2"]) >= clouds, what="the cloud")


def test_a_confidence_that_the_backend_does_not_give_is_no_publication(rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "error_after:=4.0")
    rig.listen("confidence")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    reason = "confidence stays empty: backend sgbm gives none; listen to another output, or use another backend"
    with rig.sending(lambda: rig.send(frame)):
        answer = rig.call(Trigger, ONCE)
        assert (answer.success, answer.message) == (False, reason)
        rig.spin_until(lambda: (rig.status.get("level"), rig.status.get("message")) == (ERROR, reason), what="ERROR")
    assert rig.status["published"] == "0"
    assert int(rig.status["dropped_no_confidence"]) > 0


def test_what_is_switched_off_is_named_with_its_parameter(rig: Rig, start_node: StartNode) -> None:
    node = start_node("-p", "publish_cloud:=false")
    rig.listen("points2")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    reason = "all that is listened to is switched off, points2 by publish_cloud = false"
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: rig.status.get("message", "").startswith(reason), what="the reason in the diagnostics")
        rig.spin_until(lambda: int(rig.status["dropped_switched_off"]) > 5, what="drops by that cause")
        assert rig.status["level"] == OK
        assert rig.call(Trigger, ONCE).message == rig.status["message"]
        assert rig.set(publish_cloud=True) == ""
        rig.answer("points2", good_frame())
    assert node.tail(100).count(reason) == 1

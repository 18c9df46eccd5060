"""``~/enable`` and ``~/compute_once``: pairs one by one, and answers that say what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from ros_rig import Rig, good_frame
from std_srvs.srv import SetBool, Trigger

from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]
ENABLE, ONCE = "/stereo_node/enable", "/stereo_node/compute_once"


def test_a_disabled_node_computes_the_pair_that_is_asked_for(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("disparity", good_frame())
    assert rig.call(SetBool, ENABLE, data=False).success
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame), period=0.05):
        rig.spin_until(lambda: int(rig.status.get("dropped_disabled", 0)) >= 10, what="sets held back")
        before = len(rig.received["disparity"])
        answer = rig.call(Trigger, ONCE)
        assert (answer.success, answer.message) == (True, "published")
        rig.spin_for(1.5)
        assert len(rig.received["disparity"]) == before + 1
        assert (rig.status["level"], rig.status["message"]) == (str(b"\x00"), "disabled by ~/enable")
        assert rig.call(SetBool, ENABLE, data=True).success
        rig.spin_until(lambda: len(rig.received["disparity"]) > before + 5, what="all sets again")


def test_all_who_ask_are_answered_by_one_pair(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.call(SetBool, ENABLE, data=False)
    with rig.client(Trigger, ONCE) as client:
        futures = [client.call_async(Trigger.Request()) for _ in range(3)]
        rig.spin_for(1.0)
        assert not any(future.done() for future in futures)
        rig.answer("disparity", good_frame())
        rig.spin_until(lambda: all(future.done() for future in futures), what="three answers")
    assert all(future.result().success for future in futures)


def test_while_one_pair_is_awaited_the_executor_goes_on(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    with rig.client(Trigger, ONCE) as client:
        future = client.call_async(Trigger.Request())
        rig.spin_for(0.3)
        began = time.monotonic()
        assert rig.set(speckle_size=3) == ""
        assert time.monotonic() - began < 2.5
        assert not future.done()
        rig.spin_until(future.done, 10, "the refusal after 5 s")
    assert not future.result().success
    assert "no input for 2.5 s from /left/image_rect" in future.result().message


def test_why_a_pair_was_not_published(rig: Rig, start_node: StartNode) -> None:
    start_node()
    rig.spin_until(lambda: all(each.get_subscription_count() for each in rig.publishers.values()), what="the inputs")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        assert rig.call(Trigger, ONCE).message == "nobody listens to any output"
        rig.listen("disparity")
        rig.spin_until(rig.connected, what="the node's topics")
        rig.spin_until(lambda: rig.received["disparity"], what="a disparity")
    frame.right_info.p[3] = 0.0
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: int(rig.status.get("dropped_bad_calibration", 0)) > 0, what="bad frames")
        answer = rig.call(Trigger, ONCE)
    assert not answer.success
    assert "baseline" in answer.message

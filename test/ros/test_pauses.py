"""After a pause that somebody wanted, the diagnostics measure what came since its end, not the pause."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ros_rig import CX_RIGHT, Rig, camera_info, good_frame
from std_srvs.srv import SetBool, Trigger

from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]
OK, WARN = (str(bytes([level])) for level in range(2))
ENABLE = "/stereo_node/enable"
NO_BASELINE = camera_info(cx=CX_RIGHT, t=0.0)


def _disable(rig: Rig) -> None:
    assert rig.call(SetBool, ENABLE, data=False).success
    rig.spin_until(lambda: rig.status.get("message") == "disabled by ~/enable", what="the pause")


def _enable(rig: Rig) -> None:
    assert rig.call(SetBool, ENABLE, data=True).success


def _leave(rig: Rig) -> None:
    rig.deafen("disparity")
    rig.spin_until(lambda: rig.status["message"] == "nobody listens to any output", what="the pause")


def _return(rig: Rig) -> None:
    rig.listen("disparity")
    rig.spin_until(lambda: rig.received["disparity"], what="disparities again")


@pytest.mark.parametrize(("pause", "resume"), [(_disable, _enable), (_leave, _return)], ids=["disabled", "unheard"])
def test_no_rate_is_too_low_before_a_window_is_full_again(
    pause: Callable[[Rig], None], resume: Callable[[Rig], None], rig: Rig, start_node: StartNode
) -> None:
    start_node("-p", "min_output_rate:=5.0", "-p", "diagnostics_window:=2.0")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: float(rig.status.get("output_rate_hz", 0)) > 5, what="a rate that will do")
        pause(rig)
        rig.spin_for(2.2)
        assert rig.status["level"] == OK
        resume(rig)
        for _ in range(3):
            seen = rig.reports
            rig.spin_until(lambda seen=seen: rig.reports > seen, what="diagnostics")
            assert rig.status["level"] == OK, rig.status["message"]
        rig.set(min_output_rate=100.0)
        rig.spin_until(lambda: "is below min_output_rate = 100 Hz" in rig.status["message"], what="a rate that is low")


@pytest.mark.parametrize("asked", [False, True], ids=["enabled again", "one by one"])
def test_a_bad_frame_after_a_pause_is_a_warning_at_first(asked: bool, rig: Rig, start_node: StartNode) -> None:
    start_node("-p", "error_after:=2.0")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("disparity", good_frame())
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        _disable(rig)
        rig.spin_for(2.2)
    bad = good_frame(right_info=NO_BASELINE)
    if asked:
        with rig.sending(lambda: rig.send(bad)):
            assert "baseline" in rig.call(Trigger, "/stereo_node/compute_once").message
    else:
        _enable(rig)
        rig.send(bad)
    rig.spin_until(lambda: "baseline" in rig.status["message"], what="the fault")
    assert rig.status["level"] == WARN

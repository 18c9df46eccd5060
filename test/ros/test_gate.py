"""Which sets are let through, and what those who ask for one are told."""

from __future__ import annotations

from ffstereo_ros.ros.gate import ONCE_TIMEOUT_S, Gate, answer


def test_disabled_holds_back_all_but_what_is_asked_for() -> None:
    gate = Gate()
    assert gate.refuses(0.0) is None
    gate.enabled = False
    assert gate.refuses(1.0) == "disabled"
    gate.ask(1.0)
    assert gate.refuses(2.0) is None
    assert len(gate.take()) == 1
    assert gate.refuses(3.0) == "disabled"


def test_a_pair_that_is_asked_for_is_not_capped() -> None:
    gate = Gate()
    gate.limit(1.0)
    assert [gate.refuses(0.0), gate.refuses(0.1)] == [None, "rate_limited"]
    gate.ask(0.1)
    assert gate.refuses(0.2) is None
    gate.take()
    gate.limit(1.0)  # the same cap keeps its timetable
    assert gate.refuses(0.3) == "rate_limited"
    gate.limit(0.0)
    assert gate.refuses(0.3) is None


def test_who_waits_too_long_is_told_why() -> None:
    gate = Gate()
    early, late = gate.ask(0.0), gate.ask(1.0)
    gate.expire(ONCE_TIMEOUT_S, "no camera")
    assert early.result() == (False, "no camera")
    assert not late.done()
    answer(gate.take(), None)
    assert late.result() == (True, "published")

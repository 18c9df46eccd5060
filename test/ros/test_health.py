"""The worst that holds is what the diagnostics say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from ffstereo_ros.ros.health import Sight, judge
from ffstereo_ros.ros.settings import Limits
from ffstereo_ros.ros.silence import Silence
from ffstereo_ros.ros.statistics import Recent

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE
WELL = Sight("", "", None, None, 0.0, "", True, Recent(10.0, 0.05, 0.0))
STAMPS = Silence("stamps", "stamps")
LIMITS = Limits(min_output_rate=5.0, max_latency=0.1, max_drop_share=0.2, error_after=10.0)


@pytest.mark.parametrize(
    ("changes", "level", "message"),
    [
        ({}, OK, "fine"),
        ({"fault": "bad"}, WARN, "bad"),
        ({"fault": "bad", "without_output": 10.0}, ERROR, "bad"),
        ({"silence": STAMPS}, WARN, "stamps"),
        ({"silence": STAMPS, "without_output": 9.9}, WARN, "stamps"),
        ({"silence": STAMPS, "without_output": 10.0, "fault": "bad"}, ERROR, "stamps"),
        ({"silence": Silence("none", "none", stale=True), "without_output": 99.0}, STALE, "none"),
        ({"resting": "disabled", "fault": "bad", "without_output": 99.0}, WARN, "bad"),  # of a pair that was asked for
        ({"resting": "inactive", "recent": Recent(0.0, None, 0.0)}, OK, "inactive"),
        ({"resting": "disabled", "silence": STAMPS}, WARN, "stamps"),
        ({"unknown": "no known pixel"}, WARN, "no known pixel"),
        ({"unknown": "no known pixel", "without_output": 99.0}, WARN, "no known pixel"),  # published, if in vain
        ({"unknown": "no known pixel", "fault": "bad"}, WARN, "bad"),
        ({"unknown": "no known pixel", "resting": "inactive"}, OK, "inactive"),
        (
            {"unknown": "no known pixel", "recent": Recent(4.9, 0.05, 0.0)},
            WARN,
            "no known pixel; output rate 4.9 Hz is below min_output_rate = 5 Hz",
        ),
        ({"failure": "no weights", "resting": "inactive"}, ERROR, "no weights"),
        ({"recent": Recent(4.9, 0.05, 0.0)}, WARN, "output rate 4.9 Hz is below min_output_rate = 5 Hz"),
        ({"recent": Recent(4.9, 0.05, 0.0), "warm": False}, OK, "fine"),
        ({"recent": Recent(5.0, 0.1, 0.2)}, OK, "fine"),
        ({"recent": Recent(5.0, None, 0.0)}, OK, "fine"),
        (
            {"recent": Recent(5.0, 0.2, 0.5)},
            WARN,
            "p95 latency 0.200 s is above max_latency = 0.1 s; share of lost sets 0.50 is above max_drop_share = 0.2",
        ),
    ],
)
def test_level_and_line(changes: dict[str, object], level: bytes, message: str) -> None:
    health = judge(replace(WELL, **changes), LIMITS, "fine")  # type: ignore[arg-type]
    assert (health.level, health.message) == (level, message)


def test_a_limit_of_0_is_none() -> None:
    none = Limits(0.0, 0.0, 0.0, 0.0)
    poor = replace(WELL, recent=Recent(0.0, 9.0, 1.0))
    assert judge(poor, none, "fine").level == OK
    assert judge(replace(poor, silence=STAMPS, without_output=1e6), none, "fine").level == WARN

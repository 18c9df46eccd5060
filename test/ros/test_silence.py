"""The line that explains a silence, without waiting for one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ffstereo_ros.ros.silence import SilenceWatch


@dataclass
class Topic:
    resolved: str
    last_arrival: float | None = None
    last_stamp_ns: int = 0


TOPICS = ("/left", "/right", "/left_info", "/right_info")


def _explain(
    arrivals: list[float | None], now: float, last_set: float | None = None, publishers: int = 1
) -> str | None:
    topics = [Topic(name, at, 10**9 * i) for i, (name, at) in enumerate(zip(TOPICS, arrivals))]
    return SilenceWatch(topics, lambda _: publishers, tolerance=0.0, now=100.0).explain(now, last_set)


def test_nothing_is_said_in_the_first_3_seconds_or_while_sets_come() -> None:
    assert _explain([None] * 4, 102.9) is None
    assert _explain([199.0] * 4, 200.0, last_set=199.0) is None


def test_topics_are_grouped_by_reason() -> None:
    line = _explain([200.0, None, 190.0, None], 200.0)
    assert line is not None
    assert "from /right, /right_info: it has a publisher but nothing arrives" in line
    assert "From /left_info: it has a publisher but stopped sending" in line
    assert "/left:" not in line


def test_a_topic_without_publisher_is_said_to_have_none() -> None:
    line = _explain([200.0, None, 200.0, 200.0], 200.0, publishers=0)
    assert line is not None
    assert "from /right: nobody publishes it" in line


@pytest.mark.parametrize("last_set", [None, 190.0])
def test_stamps_are_compared(last_set: float | None) -> None:
    line = _explain([200.0] * 4, 200.0, last_set)
    assert line is not None
    assert "against /left: /right +1.0000 s, /left_info +2.0000 s, /right_info +3.0000 s" in line
    assert "equal (sync is exact)" in line

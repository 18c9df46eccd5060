"""The line that explains a silence, without waiting for one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ffstereo_ros.ros.graph import Endpoint
from ffstereo_ros.ros.silence import Silence, SilenceWatch


@dataclass
class Topic:
    resolved: str
    subscription: None = None
    last_arrival: float | None = None
    last_stamp_ns: int = 0


FITS = Endpoint("camera")
TOPICS = ("/left", "/right", "/left_info", "/right_info")


def _explain(
    arrivals: list[float | None], now: float, last_set: float | None = None, offers: tuple[Endpoint, ...] = (FITS,)
) -> Silence | None:
    topics = [Topic(name, None, at, 10**9 * i) for i, (name, at) in enumerate(zip(TOPICS, arrivals))]
    return SilenceWatch(topics, lambda _: offers, tolerance=0.0, now=100.0).explain(now, last_set)


def test_nothing_is_said_at_first_or_while_sets_come() -> None:
    assert _explain([None] * 4, 102.4) is None
    assert _explain([199.0] * 4, 200.0, last_set=199.0) is None


def test_topics_are_grouped_by_reason() -> None:
    silence = _explain([200.0, None, 190.0, None], 200.0)
    assert silence is not None
    assert "from /right, /right_info: it has a publisher but nothing arrives" in silence.line
    assert "From /left_info: it has a publisher but stopped sending" in silence.line
    assert "/left:" not in silence.line


def test_a_topic_without_publisher_is_said_to_have_none() -> None:
    silence = _explain([200.0, None, 200.0, 200.0], 200.0, offers=())
    assert silence is not None
    assert "from /right: nobody publishes it" in silence.line


@pytest.mark.parametrize("last_set", [None, 190.0])
def test_stamps_are_compared(last_set: float | None) -> None:
    silence = _explain([200.0] * 4, 200.0, last_set)
    assert silence is not None
    assert "against /left: /right +1.0000 s, /left_info +2.0000 s, /right_info +3.0000 s" in silence.line
    assert "equal (sync is exact)" in silence.line


@pytest.mark.parametrize(
    ("arrivals", "stale"), [([None] * 4, True), ([190.0] * 4, True), ([200.0, None, None, None], False)]
)
def test_stale_is_what_gets_nothing_at_all(arrivals: list[float | None], stale: bool) -> None:
    silence = _explain(arrivals, 200.0)
    assert silence is not None
    assert silence.stale is stale


def test_one_publisher_that_matches_is_enough() -> None:
    refused = Endpoint("bag", "bag offers nothing good")
    silence = _explain([200.0, None, 200.0, 200.0], 200.0, offers=(refused,))
    assert silence is not None
    assert "from /right: it is published but cannot be received: bag offers nothing good" in silence.line
    silence = _explain([200.0, None, 200.0, 200.0], 200.0, offers=(refused, FITS))
    assert silence is not None
    assert "it has a publisher but nothing arrives" in silence.line

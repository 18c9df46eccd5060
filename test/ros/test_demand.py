"""What those who listen get, and the true reason where it is nothing."""

from __future__ import annotations

import pytest

from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.demand import demand
from ffstereo_ros.ros.settings import OutputSettings

NOBODY = ("no_subscriber", "nobody listens to any output")
HELD_BACK = ("rate_limited", "points2 is held back by cloud_rate = 0.5 Hz")
OFF = ("switched_off", "all that is listened to is switched off, points2 by publish_cloud = false: set it to true, ")
BOTH_OFF = ("switched_off", "switched off, depth/image_rect by publish_depth = false, points2 by publish_cloud = false")

DEPTH_OFF = frozenset({outputs.DEPTH, outputs.DEPTH_INFO})


@pytest.mark.parametrize(
    ("listened", "off", "due", "expected"),
    [
        (set(), set(), True, NOBODY),
        ({outputs.DEPTH_INFO}, set(), True, NOBODY),
        ({outputs.DEPTH_INFO}, DEPTH_OFF, True, NOBODY),
        ({outputs.CLOUD}, {outputs.CLOUD}, True, OFF),
        ({outputs.CLOUD}, {outputs.CLOUD}, False, OFF),
        ({outputs.CLOUD, outputs.DEPTH_INFO}, {outputs.CLOUD}, True, OFF),
        ({outputs.CLOUD, *DEPTH_OFF}, {outputs.CLOUD, *DEPTH_OFF}, True, BOTH_OFF),
        ({outputs.CLOUD}, set(), False, HELD_BACK),
        ({outputs.CLOUD, outputs.DEPTH_INFO}, set(), False, HELD_BACK),
        ({outputs.CLOUD, *DEPTH_OFF}, DEPTH_OFF, False, HELD_BACK),
    ],
)
def test_why_nothing_is_wanted(listened: set[str], off: set[str], due: bool, expected: tuple[str, str]) -> None:
    settings = OutputSettings(cloud_rate=0.5, switched_off=frozenset(off))
    found = demand(frozenset(listened), settings, cloud_due=due)
    assert (found.topics, found.cause) == (frozenset(), expected[0])
    assert expected[1] in found.reason


@pytest.mark.parametrize(
    ("listened", "due", "topics"),
    [
        ({outputs.CLOUD}, True, {outputs.CLOUD}),
        ({outputs.CLOUD, outputs.DISPARITY}, False, {outputs.DISPARITY}),
        ({outputs.DEPTH, outputs.DEPTH_INFO, outputs.COLOUR}, True, {outputs.DEPTH, outputs.DEPTH_INFO}),
    ],
)
def test_what_is_wanted(listened: set[str], due: bool, topics: set[str]) -> None:
    settings = OutputSettings(cloud_rate=0.5, switched_off=frozenset({outputs.COLOUR}))
    found = demand(frozenset(listened), settings, cloud_due=due)
    assert (found.topics, found.cause, found.reason) == (topics, "", "")

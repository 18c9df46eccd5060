"""What is to be published: who listens, what is switched off, and what the cloud's rate cap holds back."""

from __future__ import annotations

from dataclasses import dataclass

from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.settings import SWITCH_OF, OutputSettings

NOBODY_LISTENS = "nobody listens to any output"


@dataclass(frozen=True)
class Demand:
    """What those who listen are to get of one set.

    Attributes:
        topics: to be published; empty where nothing is to be computed.
        cause: why ``topics`` is empty, one of ``statistics.DROP_CAUSES``.
        reason: the same in one line, for people.
    """

    topics: frozenset[str] = frozenset()
    cause: str = ""
    reason: str = ""


def demand(listened: frozenset[str], settings: OutputSettings, *, cloud_due: bool = True) -> Demand:
    """What is to be published of a set.

    Args:
        listened: the topics that somebody listens to.
        cloud_due: false while ``cloud_rate`` holds the cloud back.
    """
    allowed = listened - settings.switched_off
    topics = allowed if cloud_due else allowed - {outputs.CLOUD}
    if topics - {outputs.DEPTH_INFO}:  # the companion of a depth image that nobody wants
        return Demand(topics)
    if outputs.CLOUD in allowed:
        return Demand(
            cause="rate_limited", reason=f"{outputs.CLOUD} is held back by cloud_rate = {settings.cloud_rate:g} Hz"
        )
    if off := sorted(listened - allowed - {outputs.DEPTH_INFO}):
        switches = ", ".join(f"{topic} by {SWITCH_OF[topic]} = false" for topic in off)
        return Demand(
            cause="switched_off",
            reason=f"all that is listened to is switched off, {switches}: set it to true, or listen to another output",
        )
    return Demand(cause="no_subscriber", reason=NOBODY_LISTENS)

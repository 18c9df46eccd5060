"""Why nothing comes out: silent inputs, QoS that does not match, stamps that never meet, or nobody who listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ffstereo_ros.ros.graph import Endpoint

# Said between 2.5 and 3 s, by a watch that looks twice a second. A camera slower than this is silent for people who
# wait for a picture.
SILENT_AFTER_S = 2.5


class Input(Protocol):
    """What is asked of an input topic; see ``synchronisation.InputTopic``."""

    subscription: Any
    resolved: str
    last_arrival: float | None
    last_stamp_ns: int


@dataclass(frozen=True)
class Silence:
    """One reason.

    Attributes:
        line: for people.
        kind: the same for the same reason, where the line holds numbers that change.
        stale: nothing comes in at all.
    """

    line: str
    kind: str
    stale: bool = False


class SilenceWatch:
    """Explains why no set comes.

    Args:
        inputs: the input topics.
        offers: who publishes what a subscription waits for.
        tolerance: largest stamp difference that is matched, s; 0 = exact.
        now: ``time.monotonic()`` of the start, s.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        offers: Callable[[Any], Sequence[Endpoint]],
        *,
        tolerance: float,
        now: float,
    ) -> None:
        self._inputs = inputs
        self._offers = offers
        self._tolerance = tolerance
        self._began = now

    def explain(self, now: float, last_set: float | None) -> Silence | None:
        """The reason, or None while sets come, or before anything could have come.

        Args:
            now: ``time.monotonic()``, s.
            last_set: when the last synchronised set came, the same clock, or None.
        """
        if now - max(self._began, last_set or self._began) < SILENT_AFTER_S:
            return None
        silent = [each for each in self._inputs if now - (each.last_arrival or self._began) >= SILENT_AFTER_S]
        return self._explain_topics(silent) if silent else self._explain_stamps()

    def _explain_topics(self, silent: Sequence[Input]) -> Silence:
        topics_of: dict[str, list[str]] = {}
        for each in silent:
            topics_of.setdefault(self._reason(each), []).append(each.resolved)
        reasons = (f"{', '.join(topics)}: {reason}" for reason, topics in topics_of.items())
        line = f"no input for {SILENT_AFTER_S:g} s from " + ". From ".join(reasons)
        return Silence(line, line, stale=len(silent) == len(self._inputs))

    def _reason(self, silent: Input) -> str:
        offers = self._offers(silent.subscription)
        if not offers:
            return "nobody publishes it; is the camera running, and is the topic remapped to the camera's?"
        if all(offer.mismatch for offer in offers):
            return f"it is published but cannot be received: {offers[0].mismatch}"
        if silent.last_arrival is None:
            return "it has a publisher but nothing arrives; is the camera streaming, and does the transport lose it?"
        return "it has a publisher but stopped sending; is the camera stuck?"

    def _explain_stamps(self) -> Silence:
        first = self._inputs[0]
        apart = [(each.resolved, 1e-9 * (each.last_stamp_ns - first.last_stamp_ns)) for each in self._inputs[1:]]
        allowed = f"within {self._tolerance:g} s" if self._tolerance > 0 else "equal (sync is exact)"
        kind = f"all four topics arrive but no stamps match for {SILENT_AFTER_S:g} s"
        return Silence(
            f"{kind}; the last stamps, against {first.resolved}: "
            f"{', '.join(f'{topic} {seconds:+.4f} s' for topic, seconds in apart)}. They must be {allowed}: "
            "use sync:=approximate with a larger sync_tolerance, or cameras triggered together",
            kind,
        )

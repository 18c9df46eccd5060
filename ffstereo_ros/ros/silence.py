"""Why nothing comes out: the topic that is silent, or the stamps that never meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

# A camera slower than this is silent for people who wait for a picture.
SILENT_AFTER_S = 3.0


class Input(Protocol):
    """What is asked of an input topic; see ``synchronisation.InputTopic``."""

    resolved: str
    last_arrival: float | None
    last_stamp_ns: int


class SilenceWatch:
    """Explains a silence of more than 3 s.

    Args:
        inputs: the input topics.
        publishers: number of publishers of a resolved topic.
        tolerance: largest stamp difference that is matched, s; 0 = exact.
        now: ``time.monotonic()`` of the start, s.
    """

    def __init__(
        self, inputs: Sequence[Input], publishers: Callable[[str], int], *, tolerance: float, now: float
    ) -> None:
        self._inputs = inputs
        self._publishers = publishers
        self._tolerance = tolerance
        self._began = now

    def explain(self, now: float, last_set: float | None) -> str | None:
        """One line, or None while sets come, or before anything could have come.

        Args:
            now: ``time.monotonic()``, s.
            last_set: when the last synchronised set came, the same clock, or None.
        """
        if now - max(self._began, last_set or self._began) < SILENT_AFTER_S:
            return None
        silent = [each for each in self._inputs if now - (each.last_arrival or self._began) >= SILENT_AFTER_S]
        return self._explain_topics(silent) if silent else self._explain_stamps()

    def _explain_topics(self, silent: Sequence[Input]) -> str:
        topics_of: dict[str, list[str]] = {}
        for each in silent:
            topics_of.setdefault(self._reason(each), []).append(each.resolved)
        reasons = (f"{', '.join(topics)}: {reason}" for reason, topics in topics_of.items())
        return f"no input for {SILENT_AFTER_S:g} s from " + ". From ".join(reasons)

    def _reason(self, silent: Input) -> str:
        if self._publishers(silent.resolved) == 0:
            return "nobody publishes it; is the camera running, and is the topic remapped to the camera's?"
        if silent.last_arrival is None:
            return "it has a publisher but nothing arrives; is the camera streaming, and does its QoS match?"
        return "it has a publisher but stopped sending; is the camera stuck?"

    def _explain_stamps(self) -> str:
        first = self._inputs[0]
        apart = [(each.resolved, 1e-9 * (each.last_stamp_ns - first.last_stamp_ns)) for each in self._inputs[1:]]
        allowed = f"within {self._tolerance:g} s" if self._tolerance > 0 else "equal (sync is exact)"
        return (
            f"all four topics arrive but no stamps match for {SILENT_AFTER_S:g} s; the last stamps, against "
            f"{first.resolved}: {', '.join(f'{topic} {seconds:+.4f} s' for topic, seconds in apart)}. "
            f"They must be {allowed}: "
            "use sync:=approximate with a larger sync_tolerance, or cameras triggered together"
        )

"""What the node did: latencies by stage, rates, and what became of every set."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

from ffstereo_ros.core.filters.chain import FILTER_NAMES

# The stages of a frame's way, in order; `infer` holds `backend`, the time inside the backend alone, and `filter` the
# time of each filter.
STAGES = ("wait", "convert", "infer", "filter", "geometry", "publish")
_WITHIN = ("backend", *(f"filter_{name}" for name in FILTER_NAMES))
# Their sum: from the arrival of the set to the end of its last publication.
IN_NODE = "in_node"
# The same from the stamp of the left image: camera driver and transport included.
STAMP_TO_PUBLISH = "stamp_to_publish"
_TIMES = (STAMP_TO_PUBLISH, IN_NODE, *STAGES, *_WITHIN)

# Why a set was not published. Anything else is `refused`.
DROP_CAUSES = (
    "superseded",
    "clock_jump",
    "no_subscriber",
    "switched_off",
    "disabled",
    "rate_limited",
    "no_confidence",
    "bad_image",
    "bad_calibration",
    "backend_error",
    "refused",
    "internal_error",
    "shutdown",
)

# Held back because somebody wants it so: nothing is lost.
_ON_PURPOSE = frozenset({"no_subscriber", "switched_off", "disabled", "rate_limited", "shutdown"})

# A stamp further off than this belongs to another clock (a bag without use_sim_time): no latency can be told from it.
_SAME_CLOCK_S = (-1.0, 60.0)


@dataclass(frozen=True)
class Recent:
    """How it went over the window.

    Attributes:
        output_rate: Hz.
        latency: p95 from stamp to publication, s, or None where nothing tells it.
        drop_share: of the sets that should have been published, 0..1.
    """

    output_rate: float
    latency: float | None
    drop_share: float


@dataclass(frozen=True)
class Percentiles:
    """Of one stage over the window, s."""

    p50: float
    p95: float
    max: float


class Window:
    """Values of the last ``seconds`` s."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._values: deque[tuple[float, float]] = deque()
        self._began: float | None = None

    def add(self, value: float, now: float) -> None:
        """Takes one value at ``now`` (``time.monotonic()``, s)."""
        if self._began is None:
            self._began = now
        self._values.append((now, value))
        self._forget(now)

    def count(self, now: float) -> int:
        """Number of values."""
        self._forget(now)
        return len(self._values)

    def rate(self, now: float) -> float:
        """Values per second over the window, or since the first value where that is shorter."""
        self._forget(now)
        if self._began is None:
            return 0.0
        # Over less than a second, one value more or less would be most of the answer.
        return len(self._values) / max(min(now - self._began, self.seconds), 1.0)

    def percentiles(self, now: float) -> Percentiles | None:
        """By nearest rank; None without a value."""
        self._forget(now)
        values = sorted(value for _, value in self._values)
        if not values:
            return None
        rank = len(values) - 1
        return Percentiles(values[math.ceil(0.5 * rank)], values[math.ceil(0.95 * rank)], values[-1])

    def _forget(self, now: float) -> None:
        while self._values and self._values[0][0] < now - self.seconds:
            self._values.popleft()


class Stopwatch:
    """Sums time by stage; a lap is the time since the last one."""

    def __init__(self, began: float) -> None:
        self._last = began
        self.seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Adds the time since the last lap to ``stage``."""
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


class Statistics:
    """Counts and windows; safe to use from the executor and the inference thread.

    Every set that is counted in ``sets`` ends as published or dropped, by exactly one cause.
    """

    def __init__(self, window: float) -> None:
        self._lock = threading.Lock()
        self._latencies = {name: Window(window) for name in _TIMES}
        self._input, self._output, self._lost = Window(window), Window(window), Window(window)
        self._drops: Counter[str] = Counter()
        self._sets = self._published = self._published_unknown = self._other_clock = 0
        self._fault: tuple[float, str] | None = None
        self._unknown: tuple[float, str] | None = None
        self._last_published: float | None = None

    def set_window(self, seconds: float) -> None:
        """Takes rates and percentiles over another time from now on."""
        with self._lock:
            for window in (self._input, self._output, self._lost, *self._latencies.values()):
                window.seconds = seconds

    def count_set(self) -> None:
        """A synchronised set came."""
        with self._lock:
            self._sets += 1
            self._input.add(0.0, time.monotonic())

    def count_drop(self, cause: str, fault: str = "") -> None:
        """A set will not be published; ``fault`` says what was wrong with it, if anything was."""
        with self._lock:
            self._drops[cause if cause in DROP_CAUSES else "refused"] += 1
            if cause not in _ON_PURPOSE:
                self._lost.add(0.0, time.monotonic())
            if fault:
                self._fault = (time.monotonic(), fault)

    def count_published(self, stages: dict[str, float], stamp_to_publish: float, unknown: str = "") -> None:
        """A set was published.

        Args:
            stages: seconds by stage.
            stamp_to_publish: from the stamp of the left image to the last publication, s.
            unknown: why an output has no known pixel, where that is so.
        """
        now = time.monotonic()
        with self._lock:
            self._published += 1
            self._last_published = now
            if unknown:
                self._published_unknown += 1
                self._unknown = (now, unknown)
            self._output.add(0.0, now)
            for stage, seconds in stages.items():
                self._latencies[stage].add(seconds, now)
            self._latencies[IN_NODE].add(sum(stages.get(stage, 0.0) for stage in STAGES), now)
            if _SAME_CLOCK_S[0] <= stamp_to_publish <= _SAME_CLOCK_S[1]:
                self._latencies[STAMP_TO_PUBLISH].add(stamp_to_publish, now)
            else:
                self._other_clock += 1

    @property
    def published(self) -> int:
        """Sets published so far."""
        with self._lock:
            return self._published

    @property
    def last_published(self) -> float | None:
        """``time.monotonic()`` of the last publication, s, or None."""
        with self._lock:
            return self._last_published

    def recent(self) -> Recent:
        """Figures that limits are set on."""
        now = time.monotonic()
        with self._lock:
            latency = self._latencies[STAMP_TO_PUBLISH].percentiles(now)
            lost, published = self._lost.count(now), self._output.count(now)
            share = lost / max(lost + published, 1)
            return Recent(self._output.rate(now), latency.p95 if latency else None, share)

    def recent_fault(self, seconds: float) -> str | None:
        """What was wrong with the last faulty set, if it came in the last ``seconds`` s."""
        with self._lock:
            if self._fault is None or time.monotonic() - self._fault[0] > seconds:
                return None
            return self._fault[1]

    def recent_unknown(self, seconds: float) -> str:
        """Why an output of the last set, or of one in the last ``seconds`` s, had no known pixel; empty if all had."""
        with self._lock:
            if self._unknown is None or self._last_published is None:
                return ""
            at, reason = self._unknown
            return reason if at == self._last_published or time.monotonic() - at <= seconds else ""

    def values(self) -> dict[str, str]:
        """Everything, by the key it has in the diagnostics: times in ms, rates in Hz, counts since the start."""
        now = time.monotonic()
        with self._lock:
            table = {
                "input_rate_hz": f"{self._input.rate(now):.2f}",
                "output_rate_hz": f"{self._output.rate(now):.2f}",
                "sets": str(self._sets),
                "published": str(self._published),
                "published_all_unknown": str(self._published_unknown),
            }
            table.update({f"dropped_{cause}": str(self._drops[cause]) for cause in DROP_CAUSES})
            table["stamps_of_another_clock"] = str(self._other_clock)
            for name in _TIMES:
                table.update(_latency_values(name, self._latencies[name].percentiles(now)))
        return table


def _latency_values(time_name: str, percentiles: Percentiles | None) -> dict[str, str]:
    if percentiles is None:
        return {}
    pairs = (("p50", percentiles.p50), ("p95", percentiles.p95), ("max", percentiles.max))
    return {f"{time_name}_{name}_ms": f"{1e3 * seconds:.2f}" for name, seconds in pairs}

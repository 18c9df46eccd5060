"""Time per frame, kept in a histogram of fixed size."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# Bins 2 % apart between 0.1 ms and 1000 s: any percentile is within 1 %, however many frames are added.
_LOWEST, _RATIO = 1e-4, 1.02
_BINS = math.ceil(math.log(1e3 / _LOWEST) / math.log(_RATIO))


@dataclass
class LatencyHistogram:
    """Durations in s; memory does not grow with their number.

    Attributes:
        counts: ``[bins]`` durations by logarithmic bin.
        total: their sum, s.
        longest: the largest, s.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, dtype=np.int64))
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration."""
        index = int(math.log(max(seconds, _LOWEST) / _LOWEST) / math.log(_RATIO))
        self.counts[min(index, _BINS - 1)] += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    @property
    def frames(self) -> int:
        """How many were added."""
        return int(self.counts.sum())

    def percentile(self, share: float) -> float:
        """The duration in s that ``share`` per cent of the frames do not exceed, within 1 %; NaN without frames."""
        if not self.frames:
            return float("nan")
        reached = np.searchsorted(np.cumsum(self.counts), math.ceil(self.frames * share / 100.0))
        return min(float(_LOWEST * _RATIO ** (int(reached) + 0.5)), self.longest)

    def as_dict(self) -> dict[str, float]:
        """frames, and mean, p50, p95 and max in ms."""
        milliseconds = {
            "mean_ms": self.total / self.frames if self.frames else float("nan"),
            "p50_ms": self.percentile(50),
            "p95_ms": self.percentile(95),
            "max_ms": self.longest,
        }
        return {"frames": self.frames, **{name: round(1000 * value, 3) for name, value in milliseconds.items()}}

    def bars(self, wanted: int = 40) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Edges ``[n + 1]`` in ms and counts ``[n]`` over the occupied range, at most about ``wanted`` bars."""
        occupied = np.flatnonzero(self.counts)
        if occupied.size == 0:
            return np.array([0.0, 1.0]), np.array([0])
        low, high = int(occupied[0]), int(occupied[-1]) + 1
        width = max(1, -(-(high - low) // wanted))
        starts = np.arange(low, high, width)
        edges = 1000 * _LOWEST * _RATIO ** np.append(starts, starts[-1] + width).astype(np.float64)
        return edges, np.add.reduceat(self.counts[:high], starts)

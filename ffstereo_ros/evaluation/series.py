"""A curve over time that keeps a bounded number of points, however long the recording."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_POINTS = 600


@dataclass
class Series:
    """Means over equal numbers of frames; when it is full, neighbours are merged and every point covers twice as many.

    Attributes:
        times, values: s and the mean values of finished points.
        total, count: over all values added.
    """

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    total: float = 0.0
    count: int = 0
    _span: int = 1
    _open: list[tuple[float, float]] = field(default_factory=list)

    def add(self, time: float, value: float) -> None:
        """Adds a value; NaN is left out."""
        if not math.isfinite(value):
            return
        self.total += value
        self.count += 1
        self._open.append((time, value))
        if len(self._open) < self._span:
            return
        self.times.append(sum(time for time, _ in self._open) / len(self._open))
        self.values.append(sum(value for _, value in self._open) / len(self._open))
        self._open.clear()
        if len(self.times) >= _POINTS:
            self.times, self.values = (
                [(a + b) / 2 for a, b in zip(points[::2], points[1::2])] for points in (self.times, self.values)
            )
            self._span *= 2

    @property
    def mean(self) -> float:
        """Over all values; NaN without any."""
        return self.total / self.count if self.count else math.nan

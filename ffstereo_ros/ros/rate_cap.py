"""Lets through at most so many a second, and as many as it may."""

from __future__ import annotations


class RateCap:
    """Keeps a timetable, so that 30 Hz under a cap of 20 Hz become 20 Hz and not 15.

    Args:
        rate: Hz; 0 = no cap.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due = float("-inf")

    def admits(self, now: float) -> bool:
        """Whether what comes at ``now`` (``time.monotonic()``, s) may pass; if so, it is counted."""
        if not self.due(now):
            return False
        if self.rate > 0:
            period = 1.0 / self.rate
            # After a pause the timetable starts at now: what was missed is not made up for.
            self._due = self._due + period if now < self._due + period else now + period
        return True

    def due(self, now: float) -> bool:
        """Whether what comes at ``now`` may pass; nothing is counted."""
        return self.rate <= 0 or now >= self._due

"""Which sets are matched: while enabled, under the rate cap, and whenever one pair is asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from rclpy.task import Future

from ffstereo_ros.ros.rate_cap import RateCap

# Longest wait of `~/compute_once` for a pair and its answer, s.
ONCE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Request:
    """Somebody who waits for one pair: the future of ``(success, message)``, and until when (monotonic, s)."""

    answer: Future
    deadline: float


class Gate:
    """Lets sets through to the inference thread. Requests are taken on that thread, all else is the executor's.

    Attributes:
        enabled: whether sets are matched without being asked for.
    """

    def __init__(self) -> None:
        self.enabled = True
        self._cap = RateCap(0.0)
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    def limit(self, rate: float) -> None:
        """Caps the rate, Hz; 0 = no cap."""
        if rate != self._cap.rate:
            self._cap = RateCap(rate)

    def refuses(self, arrived: float) -> str | None:
        """The cause of ``statistics.DROP_CAUSES`` for which a set is held back, or None."""
        with self._lock:
            if self._requests:
                return None
        if not self.enabled:
            return "disabled"
        return None if self._cap.admits(arrived) else "rate_limited"

    def ask(self, now: float) -> Future:
        """Asks for the next pair; the future's result is ``(success, message)``."""
        request = Request(Future(), now + ONCE_TIMEOUT_S)
        with self._lock:
            self._requests.append(request)
        return request.answer

    def take(self) -> list[Request]:
        """All who wait, for the pair that is begun now."""
        with self._lock:
            taken, self._requests = self._requests, []
            return taken

    def expire(self, now: float, reason: str) -> None:
        """Tells those that have waited too long why nothing came."""
        with self._lock:
            late = [each for each in self._requests if each.deadline <= now]
            self._requests = [each for each in self._requests if each.deadline > now]
        answer(late, reason)


def answer(requests: list[Request], problem: str | None) -> None:
    """Tells everybody who waits that the pair was published, or why not; on the executor's thread."""
    for request in requests:
        request.answer.set_result((problem is None, problem or "published"))

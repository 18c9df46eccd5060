"""One line is said once, then counted: a stream of bad frames must not drown the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class LogLimiter:
    """Passes each text at most once in ``period`` s, and at most ``burst`` different texts in that time.

    Args:
        write: where a line goes (a logger's ``warning``).
    """

    def __init__(self, write: Callable[[str], object], *, period: float = 10.0, burst: int = 20) -> None:
        self._write = write
        self._period = period
        self._burst = burst
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def __call__(self, text: str) -> None:
        """Writes the text, with the number of its repetitions since it was last written, or counts it."""
        now = time.monotonic()
        with self._lock:
            self._said = {line: at for line, at in self._said.items() if now - at < self._period}
            if text in self._said or len(self._said) >= self._burst:
                if text in self._held_back or len(self._held_back) < self._burst:
                    self._held_back[text] = self._held_back.get(text, 0) + 1
                return
            self._said[text] = now
            repeated = self._held_back.pop(text, 0)
        self._write(f"{text} ({repeated} more since the last line)" if repeated else text)

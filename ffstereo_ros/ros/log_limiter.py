"""One line is said once, then counted: a stream of bad frames must not drown the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from rclpy.node import Node


class Log(Protocol):
    """Where lines for people go."""

    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


class LogLimiter:
    """Passes each line at most once in ``period`` s, and at most ``burst`` different lines in that time.

    Args:
        write: where a line goes (a logger's ``warning``).
        clock: s, monotonic.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        period: float = 10.0,
        burst: int = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._period = period
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def __call__(self, text: str, *, kind: str | None = None) -> None:
        """Writes the text, with the number of its repetitions since it was last written, or counts it.

        Args:
            kind: what makes two lines the same, where the text holds numbers that change; else the text itself.
        """
        key = kind or text
        with self._lock:
            repeated = self._admit(key)
        if repeated is not None:
            self._write(f"{text} ({repeated} more since the last line)" if repeated else text)

    def _admit(self, key: str) -> int | None:
        """The number held back since the last line, or None where this one is held back too."""
        now = self._clock()
        self._said = {line: at for line, at in self._said.items() if now - at < self._period}
        if key not in self._said and len(self._said) < self._burst:
            self._said[key] = now
            return self._held_back.pop(key, 0)
        if key in self._held_back or len(self._held_back) < self._burst:
            self._held_back[key] = self._held_back.get(key, 0) + 1
        return None


class NodeLog:
    """The node's logger with one line of a kind in 10 s."""

    def __init__(self, node: Node) -> None:
        logger = node.get_logger()
        self.info = LogLimiter(lambda text: logger.info(text))
        self.warning = LogLimiter(lambda text: logger.warning(text))
        self.error = LogLimiter(lambda text: logger.error(text))

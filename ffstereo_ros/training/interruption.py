"""Ctrl-C ends a run after the step in work, with its state written."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


def ignore_interrupts(_: int = 0) -> None:
    """For the processes that help: a terminal sends Ctrl-C to all of them, and the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Interruption:
    """While it is entered, the first SIGINT is only noted; a second one acts as ever.

    Outside the main thread, which alone may handle signals, nothing is changed.

    Attributes:
        asked: whether it came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._handles = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Interruption:
        if self._handles:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handles:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

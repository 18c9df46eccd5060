"""Ctrl-C ends a run after the step in work, with its state written."""

from __future__ import annotations

import signal
from types import FrameType

from ffstereo_ros.interruption import Interruption


def ignore_interrupts(_: int = 0) -> None:
    """For the processes that help: a terminal sends Ctrl-C to all of them, and the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class OneInterruption(Interruption):
    """While it is entered, the first SIGINT is only noted; a second one acts as ever."""

    def _note(self, number: int, frame: FrameType | None) -> None:
        super()._note(number, frame)
        signal.signal(signal.SIGINT, self._before)

"""Progress of a build, and Ctrl-C during it: the builder is C++ and hears of a signal at its next step only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ffstereo_ros.interruption import Interruption


class Interrupt(Interruption):
    """While it is entered, Ctrl-C asks the build to stop instead of raising inside the builder's callbacks.

    Leaving it raises the KeyboardInterrupt that was held back.
    """

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self.asked:
            raise KeyboardInterrupt


def build_monitor(api: Any, say: Callable[[str], None], interrupt: Interruption) -> Any:
    """An `IProgressMonitor` of the library that tells the outermost phases step by step."""

    class Monitor(api.IProgressMonitor):
        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._steps:
                say(f"  {phase_name}: step {step + 1} of {self._steps[phase_name]}")
            return not interrupt.asked

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()

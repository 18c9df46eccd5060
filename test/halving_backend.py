"""A backend whose refinement comes to rest: what a start is worth can be said in advance."""

from __future__ import annotations

from typing import Any

import numpy as np

from ffstereo_ros.core.matcher import BackendAnswer
from ffstereo_ros.errors import BackendError


class HalvingBackend:
    """Each iteration halves the way to 16 px; without a start it begins at 0."""

    name, size_multiple, max_disparity = "halving", 1, 64

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self.fails = False
        self.starts: list[Any] = []

    def describe(self) -> str:
        return self.name

    def infer(self, left: Any, right: Any, *, initial_disparity: Any = None) -> BackendAnswer:
        self.starts.append(initial_disparity)
        if self.fails:
            raise BackendError("out of memory")
        start = np.zeros(left.shape[:2], np.float32) if initial_disparity is None else initial_disparity
        return BackendAnswer(np.float32(16) + (start - np.float32(16)) * np.float32(0.5**self._iterations))

    def close(self) -> None:
        pass

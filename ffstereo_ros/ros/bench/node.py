"""The node of the benchmark: everything but the backend, which answers the same ramp to every frame."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.factory import MatcherSettings, ReadyMatcher
from ffstereo_ros.ros.main import main
from ffstereo_ros.ros.stereo_node import StereoNode


class ConstantBackend:
    """Disparity and confidence that were computed with the first frame of a size."""

    name = "constant"
    size_multiple = 1
    max_disparity = 192

    def __init__(self) -> None:
        self._answers: dict[tuple[int, ...], BackendAnswer] = {}

    def describe(self) -> str:
        """One line for people."""
        return "constant (for benchmarks of the node alone)"

    def infer(
        self,
        left: NDArray[np.uint8],
        right: NDArray[np.uint8],
        *,
        initial_disparity: NDArray[np.float32] | None = None,
    ) -> BackendAnswer:
        """A ramp of 10 to 100 px, a tenth of it unknown."""
        shape = left.shape[:2]
        if shape not in self._answers:
            disparity = np.tile(np.linspace(10, 100, shape[1], dtype=np.float32), (shape[0], 1))
            disparity[::10] = np.nan
            self._answers[shape] = BackendAnswer(disparity, np.ones(shape, np.float32))
        return self._answers[shape]

    def close(self) -> None:
        """Nothing is held."""


class ConstantNode(StereoNode):
    """A stereo node without a matcher."""

    def _create_matcher(self, settings: MatcherSettings) -> ReadyMatcher:
        backend = ConstantBackend()
        return ReadyMatcher(StereoMatcher(backend), backend.describe())


if __name__ == "__main__":
    sys.exit(main(create_node=ConstantNode))

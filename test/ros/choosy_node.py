"""A node whose matcher takes time to build and cannot always be had: run as a module by the tests.

``CHOOSY_BUILD_SECONDS`` s for every matcher; none for 13 iterations, nor while the file ``CHOOSY_NEEDS`` is missing.
The disparity is the number of iterations. A matcher that is begun and a backend that is freed say so.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.errors import BackendError, WeightsError
from ffstereo_ros.factory import MatcherSettings, ReadyMatcher
from ffstereo_ros.ros.main import main
from ffstereo_ros.ros.stereo_node import StereoNode


class CountingBackend:
    """Answers its number of iterations everywhere."""

    name = "counting"
    size_multiple = 1
    max_disparity = 64

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations

    def describe(self) -> str:
        return f"counting {self._iterations}"

    def infer(self, left: np.ndarray, right: np.ndarray, **_: Any) -> BackendAnswer:
        return BackendAnswer(np.full(left.shape[:2], self._iterations, np.float32))

    def close(self) -> None:
        print(f"freed {self.describe()}")


class ChoosyNode(StereoNode):
    """See the module."""

    def _create_matcher(self, settings: MatcherSettings) -> ReadyMatcher:
        print("building")
        time.sleep(float(os.environ.get("CHOOSY_BUILD_SECONDS", "0")))
        if not Path(os.environ.get("CHOOSY_NEEDS", __file__)).is_file():
            raise WeightsError("weights = 'none': no such file")
        if settings.iterations == 13:
            raise BackendError("no engine for 13 iterations")
        backend = CountingBackend(settings.iterations)
        return ReadyMatcher(StereoMatcher(backend, scale=settings.scale), f"backend {backend.describe()}")


if __name__ == "__main__":
    sys.exit(main(create_node=ChoosyNode))

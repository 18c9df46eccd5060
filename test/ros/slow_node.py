"""A node whose backend takes ``SLOW_NODE_SECONDS`` s for a frame: run as a module by the tests."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.factory import MatcherSettings, ReadyMatcher
from ffstereo_ros.ros.main import main
from ffstereo_ros.ros.stereo_node import StereoNode


class SlowBackend:
    """Sleeps, then answers 10 px everywhere."""

    name = "slow"
    size_multiple = 1
    max_disparity = 64

    def describe(self) -> str:
        return "slow"

    def infer(self, left: np.ndarray, right: np.ndarray, **_: Any) -> BackendAnswer:
        time.sleep(float(os.environ["SLOW_NODE_SECONDS"]))
        return BackendAnswer(np.full(left.shape[:2], 10, np.float32))

    def close(self) -> None:
        pass


class SlowNode(StereoNode):
    """See the module."""

    def _create_matcher(self, settings: MatcherSettings) -> ReadyMatcher:
        return ReadyMatcher(StereoMatcher(SlowBackend()), "slow, as asked for")


if __name__ == "__main__":
    sys.exit(main(create_node=SlowNode))

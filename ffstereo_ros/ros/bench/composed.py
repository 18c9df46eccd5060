"""Camera and node of the benchmark in one process: sets are handed over without transport."""

from __future__ import annotations

import sys

from ffstereo_ros.ros.bench.node import ConstantNode
from ffstereo_ros.ros.bench.player import noise_pair
from ffstereo_ros.ros.composition import main
from ffstereo_ros.ros.outputs import TYPES
from ffstereo_ros.ros.player import StereoPlayer

DONE = "all sets are handed over"


class PunctualPlayer(StereoPlayer):
    """Begins when every output of the node is listened to, and says when it is done."""

    def _awaited(self) -> bool:
        return self.sent > 0 or min(self.count_subscribers(topic) for topic in TYPES) > 0

    def _send(self) -> None:
        before = self.finished
        super()._send()
        if self.finished and not before:
            print(DONE, flush=True)


if __name__ == "__main__":
    size = int(sys.argv[1]), int(sys.argv[2])
    sys.exit(main(load_pair=lambda: noise_pair(*size), create_node=ConstantNode, player=PunctualPlayer))

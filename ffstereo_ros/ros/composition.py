"""``ros2 run ffstereo_ros composed_player``: the demo's camera and the stereo node in one process.

The pattern for a camera driver written in Python: a set of messages goes to ``StereoNode.submit`` as it is, where
between processes, and between two rclpy nodes of one process too, each image is serialised, sent and copied.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rclpy.node import Node

from ffstereo_ros.demo.motorcycle import KnownPair, load_motorcycle
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.ros.main import main as run_node
from ffstereo_ros.ros.player import StereoPlayer
from ffstereo_ros.ros.stereo_node import StereoNode


def main(
    args: Sequence[str] | None = None,
    load_pair: Callable[[], KnownPair] = load_motorcycle,
    create_node: Callable[[], Node] = StereoNode,
    player: type[StereoPlayer] = StereoPlayer,
) -> int:
    """Plays to the node until told to stop; the parameters are those of both.

    Args:
        args: the command line, the program's own by default.
        load_pair, create_node, player: a benchmark puts its own here.

    Returns:
        0 after SIGINT or SIGTERM, 1 where the pair cannot be had or a parameter is refused (told in one line).
    """
    try:
        pair = load_pair()
    except FFStereoError as error:
        print(f"composed_player: {error}", file=sys.stderr)
        return 1
    return run_node(
        args, create_node, program="composed_player", companion=lambda node: player(pair, hand_over=node.submit)
    )


if __name__ == "__main__":
    sys.exit(main())

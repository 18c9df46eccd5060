"""What the parts of an active node have from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node

from ffstereo_ros.factory import MatcherSettings, ReadyMatcher
from ffstereo_ros.ros.executor_calls import ExecutorCalls
from ffstereo_ros.ros.gate import Gate
from ffstereo_ros.ros.log_limiter import NodeLog
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.statistics import Statistics


@dataclass(frozen=True)
class Port:
    """What a pipeline has from its node.

    Attributes:
        create: builds a matcher; slow, and called on a thread of its own.
        exchanged: told on the executor's thread that a matcher took over.
        refused: told there that a matcher could not be built, and what the one in use was built from.
    """

    node: Node
    out: Outputs
    statistics: Statistics
    log: NodeLog
    gate: Gate
    calls: ExecutorCalls
    create: Callable[[MatcherSettings], ReadyMatcher]
    exchanged: Callable[[ReadyMatcher], None]
    refused: Callable[[MatcherSettings, Exception], None]

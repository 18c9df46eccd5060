"""From any thread onto the executor's: services answer there, and parameters are set there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rclpy.node import Node


class ExecutorCalls:
    """Makes calls on the executor's thread, in the order they were posted, while the node spins."""

    def __init__(self, node: Node) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._guard = node.create_guard_condition(self._run)

    def post(self, call: Callable[[], None]) -> None:
        """Leaves a call; from any thread. Once the node is destroyed it is forgotten."""
        self._calls.append(call)
        try:
            self._guard.trigger()
        except Exception:  # InvalidHandle, whose module differs between distributions: the node is gone
            self._calls.clear()

    def _run(self) -> None:
        while self._calls:
            self._calls.popleft()()

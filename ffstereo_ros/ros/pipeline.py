"""What exists only while the node is active: subscriptions, inference thread and backend."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rclpy.node import Node

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.factory import MatcherSettings, ReadyMatcher
from ffstereo_ros.ros.executor_calls import ExecutorCalls
from ffstereo_ros.ros.gate import Gate, answer
from ffstereo_ros.ros.log_limiter import NodeLog
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.settings import NodeSettings
from ffstereo_ros.ros.statistics import Statistics
from ffstereo_ros.ros.synchronisation import StereoSet, StereoSynchroniser
from ffstereo_ros.ros.worker import Worker


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


class Pipeline:
    """From its making to ``stop`` sets come in and are matched. Methods are for the executor's thread.

    The matcher is its own: where its making fails, the backend is freed.

    Attributes:
        synchroniser: the input topics.
        began: ``time.monotonic()`` of the making, s.
        last_set: that of the last synchronised set, or None.
        busy_since: that of the frame in work, or None.
    """

    def __init__(self, port: Port, ready: ReadyMatcher, settings: NodeSettings) -> None:
        self._port = port
        self._stopping = False
        self.began = time.monotonic()
        self.last_set: float | None = None
        self.busy_since: float | None = None
        self._served = self._wish = settings.matcher
        self._matcher = ready.matcher
        self._processor = FrameProcessor(
            ready.matcher,
            port.out,
            port.statistics,
            settings.frame,
            port.log,
            now_ns=lambda: port.node.get_clock().now().nanoseconds,
            alive=self._alive,
        )
        port.gate.limit(settings.max_rate)
        self._worker: Worker[StereoSet] = Worker(self._process, self._superseded, at_end=self._processor.close)
        self._builder: Worker[MatcherSettings] | None = None
        try:
            self.synchroniser = StereoSynchroniser(
                port.node,
                self.submit,
                self._clock_jumped,
                tolerance=settings.sync.tolerance,
                queue_size=settings.sync.queue_size,
                compressed=settings.sync.compressed,
            )
        except BaseException:
            self._worker.stop(0.0)
            raise

    @property
    def running(self) -> bool:
        """Whether the inference thread has not ended."""
        return self._worker.running

    def submit(self, stereo: StereoSet) -> None:
        """Takes a synchronised set: it is matched, or counted with the cause why not."""
        self.last_set = stereo.arrived
        self._port.statistics.count_set()
        cause = self._port.gate.refuses(stereo.arrived)
        if cause is None:
            self._worker.submit(stereo)
        else:
            self._port.statistics.count_drop(cause)

    def change(self, settings: NodeSettings) -> None:
        """Goes by other settings from the next frame on, by another matcher as soon as it is built."""
        self._worker.call(lambda: self._processor.apply(settings.frame))
        self._port.gate.limit(settings.max_rate)
        if settings.matcher != self._wish:
            self._wish = settings.matcher
            if self._builder is None:
                self._builder = Worker(self._build, lambda _: None, name="build")
            self._builder.submit(settings.matcher)

    def stop(self, timeout: float) -> bool:
        """Takes the subscriptions away, lets the frame in work finish, and frees the backend.

        Args:
            timeout: longest wait for the frame in work, s; where it does not end, its thread frees the backend later.

        Returns:
            True once the inference thread has ended.
        """
        self._stopping = True
        self.synchroniser.destroy()
        if self._builder is not None:
            self._builder.stop(0.0)
        return self._worker.stop(timeout)

    def _alive(self) -> bool:
        return not self._stopping and bool(self._port.node.context.ok())

    def _process(self, stereo: StereoSet) -> None:
        self.busy_since = time.monotonic()
        requests = self._port.gate.take()
        problem = self._processor.process(stereo, asked=bool(requests))
        self.busy_since = None
        if requests:
            self._port.calls.post(lambda: answer(requests, problem))

    def _superseded(self, _: StereoSet) -> None:
        self._port.statistics.count_drop("superseded" if self._alive() else "shutdown")

    def _clock_jumped(self, topic: str) -> None:
        if self._worker.withdraw() is not None:
            self._port.statistics.count_drop("clock_jump")
        self._worker.call(self._processor.forget)
        self._port.log.warning(f"stamps of {topic} stepped back by more than 1 s: what waits from before is forgotten")

    def _build(self, wish: MatcherSettings) -> None:
        """On the builder's thread, while the matcher in use serves on."""
        served = self._served
        if wish == served:
            return
        try:
            ready = self._rescaled(wish) if replace(served, scale=wish.scale) == wish else self._port.create(wish)
        except Exception as error:
            reason = error
            self._port.calls.post(lambda: self._refuse(wish, served, reason))
            return
        self._served, self._matcher = wish, ready.matcher
        if self._worker.call(lambda: self._processor.exchange(ready.matcher)):
            self._port.calls.post(lambda: self._port.exchanged(ready))
        else:
            ready.matcher.backend.close()

    def _rescaled(self, wish: MatcherSettings) -> ReadyMatcher:
        matcher = StereoMatcher(self._matcher.backend, scale=wish.scale)
        return ReadyMatcher(matcher, f"scale {matcher.scale:g}: {matcher.backend.describe()}")

    def _refuse(self, wish: MatcherSettings, served: MatcherSettings, reason: Exception) -> None:
        if wish == self._wish:  # a newer wish is on its way otherwise
            self._wish = served
            self._port.refused(served, reason)

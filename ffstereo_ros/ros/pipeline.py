"""What exists only while the node is active: subscriptions, inference thread and backend."""

from __future__ import annotations

import time

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import PairTooLargeError
from ffstereo_ros.factory import ReadyMatcher
from ffstereo_ros.ros.exchange import MatcherExchange
from ffstereo_ros.ros.gate import answer
from ffstereo_ros.ros.port import Port
from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.settings import NodeSettings
from ffstereo_ros.ros.synchronisation import StereoSet, StereoSynchroniser
from ffstereo_ros.ros.worker import Worker


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
        self._processor = FrameProcessor(
            ready.matcher,
            port.out,
            port.statistics,
            settings.frame,
            port.log,
            now_ns=lambda: port.node.get_clock().now().nanoseconds,
            alive=self._alive,
            outgrown=self._outgrown,
        )
        port.gate.limit(settings.max_rate)
        self._worker: Worker[StereoSet] = Worker(self._process, self._superseded, at_end=self._processor.close)
        self._exchange = MatcherExchange(port, ready, settings.matcher, self._hand_over)
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
        self._exchange.ask(settings.matcher)

    def stop(self, timeout: float) -> bool:
        """Takes the subscriptions away, lets the frame in work finish, and frees the backend.

        Args:
            timeout: longest wait for the frame in work, s; where it does not end, its thread frees the backend later.

        Returns:
            True once the inference thread has ended.
        """
        self._stopping = True
        self.synchroniser.destroy()
        self._exchange.stop()
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

    def _hand_over(self, matcher: StereoMatcher) -> bool:
        return self._worker.call(lambda: self._processor.exchange(matcher))

    def _outgrown(self, matcher: StereoMatcher, reason: PairTooLargeError) -> None:
        self._port.calls.post(lambda: None if self._stopping else self._exchange.outgrown(matcher, reason))

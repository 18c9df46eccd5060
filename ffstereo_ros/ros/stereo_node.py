"""The node: a rectified stereo pair in; disparity, depth and cloud out."""

from __future__ import annotations

import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ffstereo_ros.factory import MatcherSettings, ReadyMatcher, create_matcher
from ffstereo_ros.params import Value
from ffstereo_ros.ros.diagnostics import DiagnosticsPublisher
from ffstereo_ros.ros.log_limiter import LogLimiter
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.parameters import declare_parameters
from ffstereo_ros.ros.processing import FrameProcessor, OutputSettings
from ffstereo_ros.ros.silence import SilenceWatch
from ffstereo_ros.ros.statistics import Statistics
from ffstereo_ros.ros.synchronisation import StereoSet, StereoSynchroniser
from ffstereo_ros.ros.worker import InferenceWorker

# Longest wait for a frame in work when the node is destroyed; launch follows its SIGINT with SIGTERM after 5 s.
_STOP_TIMEOUT_S = 4.0

# A faulty frame keeps the diagnostics at WARN for so long.
_FAULT_SHOWN_S = 3.0


class NodeLog:
    """The node's logger with warnings and errors limited to one line of a kind in 10 s."""

    def __init__(self, node: Node) -> None:
        logger = node.get_logger()
        self.info = logger.info
        self.warning = LogLimiter(lambda text: logger.warning(text))
        self.error = LogLimiter(lambda text: logger.error(text))


class StereoNode(Node):
    """Composable: nothing global is touched, and the inference thread ends with ``destroy_node``.

    Args:
        node_name: name of the node.
        kwargs: passed to ``rclpy.node.Node``.

    Attributes:
        left_behind: after ``destroy_node``, true where a frame in work did not end and its thread still runs.

    Raises:
        FFStereoError: a parameter is refused, or the backend that was asked for cannot run.
    """

    def __init__(self, node_name: str = "stereo_node", **kwargs: Any) -> None:
        super().__init__(node_name, **kwargs)
        self.left_behind = False
        self._worker: InferenceWorker[StereoSet] | None = None
        try:
            self._start(declare_parameters(self))
        except BaseException:
            self.destroy_node()
            raise

    def _start(self, values: dict[str, Value]) -> None:
        self._log = NodeLog(self)
        self._last_set: float | None = None
        self._told_twin = False
        ready = self._create_matcher(MatcherSettings.from_parameters(values))
        self.get_logger().info(ready.reason)
        for warning in ready.warnings:
            self.get_logger().error(warning)
        self._backend = ready.matcher.backend
        self._statistics = Statistics(float(values["diagnostics_window"]))
        self._processor = self._create_processor(ready, values)
        self._worker = InferenceWorker(self._processor.process, self._superseded)
        tolerance = float(values["sync_tolerance"]) if values["sync"] == "approximate" else 0.0
        self._synchroniser = StereoSynchroniser(
            self, self._take, self._clock_jumped, tolerance=tolerance, queue_size=int(values["sync_queue_size"])
        )
        self._start_reports(tolerance)

    def _create_matcher(self, settings: MatcherSettings) -> ReadyMatcher:
        """The matcher; a benchmark puts its own here."""
        return create_matcher(settings)

    def _create_processor(self, ready: ReadyMatcher, values: dict[str, Value]) -> FrameProcessor:
        settings = OutputSettings(
            min_depth=float(values["min_depth"]),
            max_depth=float(values["max_depth"]),
            depth_encoding=str(values["depth_encoding"]),
        )
        return FrameProcessor(
            ready.matcher,
            Outputs(self),
            self._statistics,
            settings,
            self._log,
            now_ns=lambda: self.get_clock().now().nanoseconds,
            alive=lambda: self._worker is not None and self.context.ok(),
        )

    def _start_reports(self, tolerance: float) -> None:
        self._diagnostics = DiagnosticsPublisher(self, self._backend.describe())
        self._silence = SilenceWatch(
            self._synchroniser.inputs, self.count_publishers, tolerance=tolerance, now=time.monotonic()
        )
        # On a steady clock: simulated time that stands still must not silence the report that it does.
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _take(self, stereo: StereoSet) -> None:
        self._last_set = stereo.arrived
        self._statistics.count_set()
        if self._worker is not None:
            self._worker.submit(stereo)

    def _superseded(self, _: StereoSet) -> None:
        self._statistics.count_drop("superseded" if self.context.ok() else "shutdown")

    def _clock_jumped(self, topic: str) -> None:
        self._log.warning(
            f"stamps of {topic} stepped back by more than 1 s: messages that wait for partners are forgotten"
        )

    def _report(self) -> None:
        self._tell_twin()
        silence = self._silence.explain(time.monotonic(), self._last_set)
        if silence:
            # What follows the semicolon holds stamps, which differ every time.
            self._log.warning(silence, kind=silence.partition(";")[0])
        values = self._statistics.values()
        values.update({f"received {each.topic}": str(each.received) for each in self._synchroniser.inputs})
        values.update({f"unsynchronised {name}": str(n) for name, n in self._synchroniser.unmatched().items()})
        summary = f"{values['output_rate_hz']} Hz out of {values['input_rate_hz']} Hz"
        problem = silence or self._statistics.recent_fault(_FAULT_SHOWN_S)
        self._diagnostics.publish(problem, summary, values)

    def _tell_twin(self) -> None:
        me = (self.get_name(), self.get_namespace())
        if not self._told_twin and self.get_node_names_and_namespaces().count(me) > 1:
            self._told_twin = True
            self.get_logger().warning(
                f"another node is called {self.get_fully_qualified_name()}: both publish the same topics and answer "
                "the same parameter calls; stop one, or give it another name with -r __node:=NAME"
            )

    def destroy_node(self) -> None:
        """Ends the inference thread, frees the backend, and destroys the node."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self.left_behind = not worker.stop(_STOP_TIMEOUT_S)
            if not self.left_behind:
                self._backend.close()
        super().destroy_node()

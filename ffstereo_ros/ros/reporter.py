"""What the node says about itself: a line when nothing comes out, and its state on ``/diagnostics``."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ffstereo_ros.ros import graph
from ffstereo_ros.ros.demand import demand
from ffstereo_ros.ros.diagnostics import DiagnosticsPublisher
from ffstereo_ros.ros.gate import Gate
from ffstereo_ros.ros.health import Sight, judge
from ffstereo_ros.ros.log_limiter import NodeLog
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.pipeline import Pipeline
from ffstereo_ros.ros.settings import NodeSettings
from ffstereo_ros.ros.silence import SILENT_AFTER_S, Silence, SilenceWatch
from ffstereo_ros.ros.statistics import Statistics

# A frame that is faulty or wholly unknown keeps the diagnostics at WARN for so long.
_FAULT_SHOWN_S = 3.0
_LOOK_PERIOD_S = 0.5


class Reporter:
    """Looks twice a second, and publishes once a second.

    Args:
        settings: those of now.

    Attributes:
        pipeline, out: what is looked at while the node is active; None otherwise.
        failure: why the node could not be activated; empty where it could.
        state: of the lifecycle, while the node is not active.
    """

    def __init__(
        self, node: Node, statistics: Statistics, gate: Gate, log: NodeLog, settings: Callable[[], NodeSettings]
    ) -> None:
        self.pipeline: Pipeline | None = None
        self.out: Outputs | None = None
        self.failure = ""
        self.state = "unconfigured"
        self.diagnostics = DiagnosticsPublisher(node)
        self._node = node
        self._statistics = statistics
        self._gate = gate
        self._log = log
        self._settings = settings
        self._watch: SilenceWatch | None = None
        self._silence: Silence | None = None
        self._rests = True
        self._resumed = 0.0
        self._told_twin = False
        # On a steady clock: simulated time that stands still must not silence the report that it does.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(_LOOK_PERIOD_S, self._look, clock=clock)
        node.create_timer(1.0, self.report, clock=clock)

    def watch(self, pipeline: Pipeline, out: Outputs) -> None:
        """The node is active."""
        self.pipeline, self.out, self.failure = pipeline, out, ""
        self._watch = SilenceWatch(
            pipeline.synchroniser.inputs,
            lambda subscription: graph.offers(self._node, subscription),
            tolerance=pipeline.synchroniser.tolerance,
            now=pipeline.began,
        )

    def rest(self, state: str, failure: str = "") -> None:
        """The node is not active: it is in this state of the lifecycle, perhaps because it failed."""
        self.pipeline = self.out = self._watch = self._silence = None
        self.state, self.failure = state, failure

    def _look(self) -> None:
        now = time.monotonic()
        self._note_rest(now)
        self._silence = self._explain(now)
        if self._silence is not None:
            self._log.warning(self._silence.line, kind=self._silence.kind)
        self._gate.expire(now, self._silence.line if self._silence else "no pair came in time")

    def _explain(self, now: float) -> Silence | None:
        if self.pipeline is None or self._watch is None:
            return None
        silence = self._watch.explain(now, self.pipeline.last_set)
        if silence is None and self._without_output(now) >= SILENT_AFTER_S:
            silence = self._refused_listeners() or self._slow_frame(now)
        return silence

    def _note_rest(self, now: float) -> None:
        """Remembers when the last rest ended: what was not published in it is not held against the node."""
        rested, self._rests = self._rests, bool(self._resting())
        if rested and not self._rests:
            self._resumed = now

    def _expected_for(self, now: float) -> float:
        """Time since the activation, or the end of the last rest where that was later, s."""
        return now - max(self.pipeline.began, self._resumed) if self.pipeline else 0.0

    def _without_output(self, now: float) -> float:
        return min(self._expected_for(now), now - (self._statistics.last_published or 0.0))

    def _refused_listeners(self) -> Silence | None:
        """Somebody listens, but nothing can reach him."""
        if self.out is None or self.out.wanted():
            return None
        for topic, publisher in self.out.publishers().items():
            for listener in graph.listeners(self._node, publisher):
                if listener.mismatch:
                    line = f"nothing reaches the listener of {publisher.topic_name}: {listener.mismatch}"
                    return Silence(line, topic)
        return None

    def _slow_frame(self, now: float) -> Silence | None:
        since = self.pipeline.busy_since if self.pipeline else None
        if since is None or now - since < SILENT_AFTER_S:
            return None
        kind = "the frame in work takes long"
        return Silence(f"{kind}: {now - since:.1f} s so far; use a lower scale, or a faster backend", kind)

    def _resting(self) -> str:
        """Why nothing is expected to come out; empty where it is."""
        if self.pipeline is None or self.out is None:
            return f"{self.state}: nothing is received or computed"
        if not self._gate.enabled:
            return "disabled by ~/enable"
        return demand(self.out.wanted(), self._settings().frame.outputs).reason

    def report(self) -> None:
        """Publishes the state of now."""
        self._tell_twin()
        now, values = time.monotonic(), self._statistics.values()
        self._note_rest(now)
        values["state"] = "active" if self.pipeline else self.state
        values["enabled"] = str(self._gate.enabled).lower()
        if self.pipeline is not None:
            topics = self.pipeline.synchroniser
            values.update({f"received {each.topic}": str(each.received) for each in topics.inputs})
            values.update({f"unsynchronised {name}": str(n) for name, n in topics.unmatched().items()})
        summary = f"{values['output_rate_hz']} Hz out of {values['input_rate_hz']} Hz"
        self.diagnostics.publish(judge(self._sight(now), self._settings().limits, summary), values)

    def _sight(self, now: float) -> Sight:
        settings = self._settings()
        return Sight(
            failure=self.failure,
            resting=self._resting(),
            silence=self._silence,
            fault=self._statistics.recent_fault(_FAULT_SHOWN_S),
            without_output=self._without_output(now),
            unknown=self._statistics.recent_unknown(_FAULT_SHOWN_S),
            warm=self._expected_for(now) >= settings.diagnostics_window,
            recent=self._statistics.recent(),
        )

    def _tell_twin(self) -> None:
        me = (self._node.get_name(), self._node.get_namespace())
        if not self._told_twin and self._node.get_node_names_and_namespaces().count(me) > 1:
            self._told_twin = True
            self._node.get_logger().warning(
                f"another node is called {self._node.get_fully_qualified_name()}: both publish the same topics and "
                "answer the same parameter calls; stop one, or give it another name with -r __node:=NAME"
            )

"""The node: a rectified stereo pair in; disparity, depth and cloud out."""

from __future__ import annotations

import gc
import time
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool, Trigger

from ffstereo_ros.backends.freed_memory import give_back_freed_memory
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.factory import MatcherSettings, ReadyMatcher, create_matcher
from ffstereo_ros.ros.executor_calls import ExecutorCalls
from ffstereo_ros.ros.gate import Gate, answer
from ffstereo_ros.ros.log_limiter import NodeLog
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.overrides import tell_unknown_qos
from ffstereo_ros.ros.parameters import LiveParameters
from ffstereo_ros.ros.pipeline import Pipeline
from ffstereo_ros.ros.port import Port
from ffstereo_ros.ros.reporter import Reporter
from ffstereo_ros.ros.settings import NodeSettings
from ffstereo_ros.ros.statistics import Statistics
from ffstereo_ros.ros.synchronisation import StereoSet
from ffstereo_ros.ros.topic_clash import require_topics_of_their_own

# Longest wait for a frame in work when the node is destroyed; launch follows its SIGINT with SIGTERM after 5 s.
_STOP_TIMEOUT_S = 4.0

# What is free so long after a change of parameters or a deactivation goes back to the kernel; what is still needed is
# fetched anew, once. Otherwise a node that is changed and restarted again and again ends up with the most that it ever
# needed, and the holes between.
_GIVE_BACK_S = 10.0

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class StereoNode(LifecycleNode):
    """Composable: nothing global is touched, and the inference thread ends with ``destroy_node``.

    Configuring makes the output topics, activating loads the weights and subscribes, deactivating frees the backend.
    With the parameter ``autostart`` (the default) both happen at once.

    Args:
        node_name: name of the node.
        kwargs: passed to ``rclpy.node.Node``.

    Raises:
        FFStereoError: a parameter is refused. A backend that cannot run leaves the node inactive instead.
    """

    def __init__(self, node_name: str = "stereo_node", **kwargs: Any) -> None:
        super().__init__(node_name, **kwargs)
        self._pipeline: Pipeline | None = None
        self._stopped: list[Pipeline] = []
        self._outputs: Outputs | None = None
        self._refusal: Exception | None = None
        try:
            self._prepare()
            if self._live.values["autostart"]:
                self._start()
        except BaseException:
            self.destroy_node()
            raise

    @property
    def left_behind(self) -> bool:
        """Whether the thread of a frame that did not end in time still runs."""
        return any(pipeline.running for pipeline in self._stopped)

    @property
    def _told_to_stop(self) -> bool:
        """Whether the program is ending: whatever is begun now fails, which is no fault that anybody should read of."""
        return not self.context.ok()

    def submit(self, stereo: StereoSet) -> None:
        """Takes a set that came in another way than by the topics; on the executor's thread. Ignored while inactive."""
        if self._pipeline is not None:
            self._pipeline.submit(stereo)

    def _prepare(self) -> None:
        self._live = LiveParameters(self, lambda: self._pipeline is not None, self._changed)
        self._log = NodeLog(self)
        self._statistics = Statistics(self._live.settings.diagnostics_window)
        self._gate = Gate()
        self._calls = ExecutorCalls(self)
        self._reporter = Reporter(self, self._statistics, self._gate, self._log, lambda: self._live.settings)
        self.create_service(SetBool, "~/enable", self._enable)
        # In a group of its own: it waits for a pair, and in the default group everything would wait with it.
        self.create_service(Trigger, "~/compute_once", self._compute_once, callback_group=ReentrantCallbackGroup())
        self._give_back = self.create_timer(
            _GIVE_BACK_S, self._give_memory_back, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._give_back.cancel()
        self._give_back_again = False
        self._survive_bad_transitions()

    def _survive_bad_transitions(self) -> None:
        """rclpy raises, and so ends the program, when a transition is asked for that the state does not have."""
        service = self._service_change_state
        change = service.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except Exception as error:
                if not self._told_to_stop:
                    self._log.warning(f"transition refused: {' '.join(str(error).split())}")
                response.success = False
                return response

        service.callback = guarded

    def _start(self) -> None:
        if self.trigger_configure() != SUCCESS and self._refusal is not None:
            raise self._refusal
        self.trigger_activate()

    def _create_matcher(self, settings: MatcherSettings) -> ReadyMatcher:
        """The matcher; a benchmark puts its own here."""
        return create_matcher(settings)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Makes the output topics; the parameters were checked when they were set."""
        try:
            require_topics_of_their_own(self, compressed=self._live.settings.sync.compressed)
            self._outputs = Outputs(self)
        except Exception as error:  # a remapping, or a QoS override that rclpy refuses
            if self._told_to_stop:
                return FAILURE
            self._refusal = error
            failure = f"cannot be configured: {' '.join(str(error).split())}"
            self._log.error(failure)
            self._reporter.rest("unconfigured", failure)
            return FAILURE
        self._reporter.rest("inactive")
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the weights, warms up, and subscribes; what fails is said, and can be tried again."""
        assert self._outputs is not None
        settings = self._live.settings
        try:
            # Again: input_transport may have changed, and the matcher may take minutes.
            require_topics_of_their_own(self, compressed=settings.sync.compressed)
            ready = self._create_matcher(settings.matcher)
            self._pipeline = Pipeline(self._port(self._outputs), ready, settings)
        except Exception as error:
            if self._told_to_stop:
                return FAILURE
            kind = "" if isinstance(error, FFStereoError) else f"{type(error).__name__}: "
            failure = f"cannot be activated: {kind}{' '.join(str(error).split())}"
            again = f"`ros2 lifecycle set {self.get_fully_qualified_name()} activate`"
            self.get_logger().error(f"{failure}; the node stays inactive, try again with {again}")
            self._reporter.rest("inactive", failure)
            return FAILURE
        self._announce(ready)
        tell_unknown_qos(self)
        self._reporter.watch(self._pipeline, self._outputs)
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the inference thread and frees the backend."""
        self._stop_pipeline("inactive")
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Takes the output topics away."""
        self._stop_pipeline("unconfigured")
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As deactivation and cleanup."""
        self.on_cleanup(state)
        self._reporter.rest("finalized")
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        return self.on_cleanup(state)

    def _port(self, out: Outputs) -> Port:
        return Port(
            self,
            out,
            self._statistics,
            self._log,
            self._gate,
            self._calls,
            create=self._create_matcher,
            exchanged=self._announce,
            refused=self._put_back,
        )

    def _announce(self, ready: ReadyMatcher) -> None:
        self.get_logger().info(ready.reason)
        for warning in ready.warnings:
            self.get_logger().error(warning)
        self._reporter.diagnostics.hardware_id = ready.matcher.describe()

    def _changed(self, settings: NodeSettings) -> None:
        self._statistics.set_window(settings.diagnostics_window)
        if self._pipeline is not None:
            self._pipeline.change(settings)
            self._plan_to_give_memory_back()

    def _put_back(self, served: MatcherSettings, reason: Exception) -> None:
        """The matcher that the parameters now ask for cannot be had: they are set to the one in use."""
        names = ("iterations", "max_disparity", "scale")
        self._live.restore({name: getattr(served, name) for name in names})
        kept = ", ".join(f"{name} = {getattr(served, name)}" for name in names)
        self.get_logger().error(f"change refused: {' '.join(str(reason).split())}; back to {kept}")

    def _enable(self, request: Any, response: Any) -> Any:
        self._gate.enabled = bool(request.data)
        response.success = True
        response.message = "enabled" if request.data else "disabled: no pair is computed until ~/enable or one by one"
        self.get_logger().info(response.message)
        return response

    async def _compute_once(self, _: Any, response: Any) -> Any:
        if self._pipeline is None:
            response.success, response.message = False, "the node is not active"
            return response
        response.success, response.message = await self._gate.ask(time.monotonic())
        return response

    def _stop_pipeline(self, state: str) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            if not pipeline.stop(_STOP_TIMEOUT_S):
                self._stopped.append(pipeline)
                self.get_logger().error("the frame in work does not end: its backend is freed when it does")
            answer(self._gate.take(), "the node was deactivated")
        self._reporter.rest(state)
        del pipeline
        # Its parts hold each other, and frames: left to the collector's own rhythm, restarts add up.
        gc.collect()
        self._plan_to_give_memory_back()

    def _plan_to_give_memory_back(self) -> None:
        if self._give_back.is_canceled():
            self._give_back.reset()
        else:  # put off by each change, it would never come
            self._give_back_again = True

    def _give_memory_back(self) -> None:
        if not self._give_back_again:
            self._give_back.cancel()
        self._give_back_again = False
        give_back_freed_memory()

    def destroy_node(self) -> None:
        """Ends the inference thread, frees the backend, and destroys the node."""
        if self._pipeline is not None:
            self._stop_pipeline("finalized")
            give_back_freed_memory()
        super().destroy_node()
        # rclpy leaves it to the garbage collector, and until then the node stays in the graph.
        self._state_machine.destroy_when_not_in_use()

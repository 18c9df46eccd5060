"""What the inference thread does with one set: convert, match, filter, and publish what is listened to."""

from __future__ import annotations

from collections.abc import Callable

from ffstereo_ros.core.filters.chain import FilterChain
from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.core.warm_start import WarmStart
from ffstereo_ros.errors import BackendError, CalibrationError, FFStereoError, ImageError, PairTooLargeError
from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.conversions import camera_from_info, pair_to_rgb
from ffstereo_ros.ros.demand import Demand
from ffstereo_ros.ros.log_limiter import Log
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.publication import FramePublisher, MatchedFrame, no_confidence
from ffstereo_ros.ros.settings import FrameSettings
from ffstereo_ros.ros.statistics import Statistics, Stopwatch
from ffstereo_ros.ros.synchronisation import StereoSet
from ffstereo_ros.ros.unknown_frames import explain

_CAUSES: dict[type[FFStereoError], str] = {
    ImageError: "bad_image",
    CalibrationError: "bad_calibration",
    BackendError: "backend_error",
}

# Above this share of negative disparities over the first frames, weights run with the wrong normalisation.
_NEGATIVE_LIMIT = 0.02
_NEGATIVE_FRAMES = 10


class FrameProcessor:
    """Turns sets into publications. Whatever a set holds, ``process`` counts it once and returns.

    Belongs to one thread: ``apply``, ``exchange`` and ``forget`` are called between two frames.

    Args:
        now_ns: the node's clock, ns.
        alive: false once the node is deactivated: nothing is published any more, and no failure is the frame's fault.
        outgrown: told of a pair that is larger than every engine of the matcher.
    """

    def __init__(
        self,
        matcher: StereoMatcher,
        out: Outputs,
        statistics: Statistics,
        settings: FrameSettings,
        log: Log,
        *,
        now_ns: Callable[[], int],
        alive: Callable[[], bool],
        outgrown: Callable[[StereoMatcher, PairTooLargeError], None] = lambda *_: None,
    ) -> None:
        self._matcher = matcher
        self._settings = settings
        self._filters = FilterChain(settings.filters, matcher)
        self._warm_start = WarmStart()
        self._publisher = FramePublisher(out, settings.outputs, log)
        self._statistics = statistics
        self._log = log
        self._now_ns = now_ns
        self._alive = alive
        self._outgrown = outgrown
        self._told_unwanted = ""

    def apply(self, settings: FrameSettings) -> None:
        """Goes by other settings from the next frame on; filters that stay as they are keep their memory."""
        if settings.filters != self._settings.filters:
            self._filters = FilterChain(settings.filters, self._matcher)
        if settings.outputs != self._settings.outputs:
            self._publisher.apply(settings.outputs)
        self._warm_start.reset()
        self._settings = settings

    def exchange(self, matcher: StereoMatcher) -> None:
        """Takes another matcher from the next frame on, and frees the backend of the last one."""
        last, self._matcher = self._matcher, matcher
        self._warm_start.reset()
        self._filters = FilterChain(self._settings.filters, matcher)
        if last.backend is not matcher.backend:
            self._free(last)

    def forget(self) -> None:
        """Begins anew with what is remembered of the last frames: the clock jumped."""
        self._filters.reset()
        self._warm_start.reset()

    def close(self) -> None:
        """Frees the backend."""
        self._free(self._matcher)

    def _free(self, matcher: StereoMatcher) -> None:
        try:
            matcher.backend.close()
        except Exception as error:  # a device that is lost, say: the thread goes on
            self._log.warning(f"backend {matcher.backend.name} could not be freed: {error}")

    def process(self, stereo: StereoSet, *, asked: bool = False) -> str | None:
        """Publishes one set, or counts and says why not.

        Args:
            asked: somebody asked for this one: the rate cap of the cloud does not hold it back.

        Returns:
            None where it was published, otherwise the reason in one line.
        """
        try:
            return self._process(stereo, asked)
        except FFStereoError as error:
            if isinstance(error, PairTooLargeError):
                self._outgrown(self._matcher, error)
            return self._drop(
                next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), "refused"), error
            )
        except Exception as error:
            if self._alive():
                return self._drop("internal_error", error)
            return self._ends()

    def _ends(self) -> str:
        self._statistics.count_drop("shutdown")
        return "the node was deactivated"

    def _drop(self, cause: str, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        self._statistics.count_drop(cause, reason)
        if cause == "internal_error":
            self._log.error(
                f"frame dropped, a fault of this package: {type(error).__name__}: {error}; please report it"
            )
        else:
            self._log.warning(f"frame dropped: {error}")
        return reason

    def _process(self, stereo: StereoSet, asked: bool) -> str | None:
        watch = Stopwatch(stereo.arrived)
        watch.lap("wait")
        demand = self._publisher.demand(stereo, asked=asked)
        if not demand.topics:
            return self._unwanted(demand)
        self._told_unwanted = ""
        frame = self._match(stereo, demand.topics, watch)
        if not self._alive():
            return self._ends()
        sent = self._publisher.publish(frame, watch)
        if not sent.topics - {outputs.DEPTH_INFO}:
            return self._nothing_sent(frame)
        latency = 1e-9 * (self._now_ns() - stereo.stamp_ns)
        self._statistics.count_published(watch.seconds, latency, self._tell_unknown(frame, sent.unknown))
        return None

    def _tell_unknown(self, frame: MatchedFrame, topics: frozenset[str]) -> str:
        """Why nothing is known on some topics, for the log and in one line; empty where there are none."""
        if not topics:
            return ""
        line = explain(topics, self._settings, frame.camera, max_disparity=frame.result.max_disparity)
        self._log.warning(line)
        return line

    def _unwanted(self, demand: Demand) -> str:
        self._statistics.count_drop(demand.cause)
        if demand.reason != self._told_unwanted and demand.cause != "rate_limited":  # which lasts for a frame or two
            self._told_unwanted = demand.reason
            self._log.info(f"{demand.reason}; nothing is computed until that changes")
        return demand.reason

    def _nothing_sent(self, frame: MatchedFrame) -> str:
        """Of what is listened to a backend can withhold the confidence alone, and the publisher has said so."""
        reason = no_confidence(frame.matcher.backend.name)
        self._statistics.count_drop("no_confidence", reason)
        return reason

    def _match(self, stereo: StereoSet, wanted: frozenset[str], watch: Stopwatch) -> MatchedFrame:
        left, right = pair_to_rgb(stereo.left, stereo.right)
        if left.shape != right.shape:
            raise ImageError(
                f"left image is {left.shape[1]}x{left.shape[0]} px and right {right.shape[1]}x{right.shape[0]} px: "
                "a rectified pair has one size"
            )
        camera = camera_from_info(stereo.left_info, stereo.right_info, width=left.shape[1], height=left.shape[0])
        watch.lap("convert")
        if self._settings.warm_start:
            result = self._warm_start.match(self._matcher, left, right)
        else:
            result = self._matcher.match(left, right)
        watch.lap("infer")
        watch.seconds["backend"] = result.infer_seconds
        self._check_sign(result)
        filtered = self._filters.apply(result, left, right)
        watch.lap("filter")
        watch.seconds.update({f"filter_{name}": seconds for name, seconds in filtered.seconds.items()})
        return MatchedFrame(stereo, camera, left, filtered.result, wanted, self._matcher)

    def _check_sign(self, result: StereoResult) -> None:
        # In this order: the fraction of an answer on a device is not counted for nothing.
        if self._statistics.published < _NEGATIVE_FRAMES and result.negative_fraction > _NEGATIVE_LIMIT:
            self._log.warning(
                f"{100 * result.negative_fraction:.1f} % of the disparities are negative (above "
                f"{100 * _NEGATIVE_LIMIT:g} % is suspicious): are left and right swapped, or do the weights need "
                "`ffstereo convert --normalize-correlation` set the other way?"
            )

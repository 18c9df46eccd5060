"""What the inference thread does with one set: convert, match, and publish what is listened to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.geometry import depth_from_disparity, points_from_depth
from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.core.validity import mask_depth_range
from ffstereo_ros.errors import BackendError, CalibrationError, FFStereoError, ImageError
from ffstereo_ros.ros import messages, outputs
from ffstereo_ros.ros.conversions import camera_from_info, pair_to_rgb
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.statistics import Statistics, Stopwatch
from ffstereo_ros.ros.synchronisation import StereoSet

_CAUSES: dict[type[FFStereoError], str] = {
    ImageError: "bad_image",
    CalibrationError: "bad_calibration",
    BackendError: "backend_error",
}

# Above this share of negative disparities over the first frames, weights run with the wrong normalisation.
_NEGATIVE_LIMIT = 0.02
_NEGATIVE_FRAMES = 10


class Log(Protocol):
    """Where lines for people go."""

    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


@dataclass(frozen=True)
class OutputSettings:
    """How answers are turned into messages; see the parameters of the same names."""

    min_depth: float
    max_depth: float
    depth_encoding: str


@dataclass(frozen=True)
class _Frame:
    """A matched set, on its way out."""

    stereo: StereoSet
    camera: StereoCamera
    rgb: NDArray[np.uint8]
    result: StereoResult
    wanted: frozenset[str]


class FrameProcessor:
    """Turns sets into publications. Whatever a set holds, ``process`` counts it once and returns.

    Args:
        now_ns: the node's clock, ns.
        alive: false once the node is being destroyed, when publishing fails for no fault of the frame.
    """

    def __init__(
        self,
        matcher: StereoMatcher,
        out: Outputs,
        statistics: Statistics,
        settings: OutputSettings,
        log: Log,
        *,
        now_ns: Callable[[], int],
        alive: Callable[[], bool],
    ) -> None:
        self._matcher = matcher
        self._out = out
        self._statistics = statistics
        self._settings = settings
        self._log = log
        self._now_ns = now_ns
        self._alive = alive
        self._told_nobody_listens = self._told_no_confidence = False

    def process(self, stereo: StereoSet) -> None:
        """Publishes one set, or counts and says why not."""
        try:
            self._process(stereo)
        except FFStereoError as error:
            self._drop(next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), "refused"), error)
        except Exception as error:
            if self._alive():
                self._drop("internal_error", error)
            else:
                self._statistics.count_drop("shutdown")

    def _drop(self, cause: str, error: Exception) -> None:
        self._statistics.count_drop(cause, str(error) or type(error).__name__)
        if cause == "internal_error":
            self._log.error(
                f"frame dropped, a fault of this package: {type(error).__name__}: {error}; please report it"
            )
        else:
            self._log.warning(f"frame dropped: {error}")

    def _process(self, stereo: StereoSet) -> None:
        watch = Stopwatch(stereo.arrived)
        watch.lap("wait")
        wanted = self._out.wanted()
        if not wanted - {outputs.DEPTH_INFO}:  # the companion of a depth image that nobody wants
            self._nobody_listens()
            return
        frame = self._match(stereo, wanted, watch)
        self._publish_disparity(frame, watch)
        self._publish_depth(frame, watch)
        self._publish_maps(frame, watch)
        self._statistics.count_published(watch.seconds, 1e-9 * (self._now_ns() - stereo.stamp_ns))

    def _nobody_listens(self) -> None:
        self._statistics.count_drop("no_subscriber")
        if not self._told_nobody_listens:
            self._told_nobody_listens = True
            self._log.info("nobody listens to any output: nothing is computed until somebody does")

    def _match(self, stereo: StereoSet, wanted: frozenset[str], watch: Stopwatch) -> _Frame:
        left, right = pair_to_rgb(stereo.left, stereo.right)
        if left.shape != right.shape:
            raise ImageError(
                f"left image is {left.shape[1]}x{left.shape[0]} px and right {right.shape[1]}x{right.shape[0]} px: "
                "a rectified pair has one size"
            )
        camera = camera_from_info(stereo.left_info, stereo.right_info, width=left.shape[1], height=left.shape[0])
        watch.lap("convert")
        result = self._matcher.match(left, right)
        watch.lap("infer")
        watch.seconds["backend"] = result.infer_seconds
        self._check_sign(result)
        return _Frame(stereo, camera, left, result, wanted)

    def _check_sign(self, result: StereoResult) -> None:
        if result.negative_fraction > _NEGATIVE_LIMIT and self._statistics.published < _NEGATIVE_FRAMES:
            self._log.warning(
                f"{100 * result.negative_fraction:.1f} % of the disparities are negative (above "
                f"{100 * _NEGATIVE_LIMIT:g} % is suspicious): are left and right swapped, or do the weights need "
                "`ffstereo convert --normalize-correlation` set the other way?"
            )

    def _publish_disparity(self, frame: _Frame, watch: Stopwatch) -> None:
        if outputs.DISPARITY not in frame.wanted:
            return
        message = messages.disparity_message(
            frame.result.disparity,
            frame.camera,
            frame.stereo.left.header,
            max_disparity=frame.result.max_disparity,
            step=getattr(self._matcher.backend, "disparity_step", 0.0) / self._matcher.scale,
        )
        self._send(outputs.DISPARITY, message, watch)

    def _publish_depth(self, frame: _Frame, watch: Stopwatch) -> None:
        header = frame.stereo.left.header
        if outputs.DEPTH_INFO in frame.wanted:
            self._send(outputs.DEPTH_INFO, messages.depth_camera_info(frame.stereo.left_info, header), watch)
        if not frame.wanted & {outputs.DEPTH, outputs.CLOUD}:
            return
        settings = self._settings
        depth = depth_from_disparity(frame.result.disparity, frame.camera)
        depth = mask_depth_range(depth, min_depth=settings.min_depth, max_depth=settings.max_depth)
        watch.lap("geometry")
        if outputs.DEPTH in frame.wanted:
            self._send(outputs.DEPTH, messages.depth_message(depth, header, settings.depth_encoding), watch)
        if outputs.CLOUD in frame.wanted:
            points = points_from_depth(depth, frame.camera)
            watch.lap("geometry")
            self._send(outputs.CLOUD, messages.cloud_message(points, frame.rgb, header), watch)

    def _publish_maps(self, frame: _Frame, watch: Stopwatch) -> None:
        header, result = frame.stereo.left.header, frame.result
        if outputs.CONFIDENCE in frame.wanted:
            self._publish_confidence(result, header, watch)
        if outputs.COLOUR in frame.wanted:
            image = messages.colour_image(result.disparity, header, max_disparity=result.max_disparity)
            self._send(outputs.COLOUR, image, watch)

    def _publish_confidence(self, result: StereoResult, header: Header, watch: Stopwatch) -> None:
        if result.confidence is not None:
            self._send(outputs.CONFIDENCE, messages.float_image(result.confidence, header), watch)
        elif not self._told_no_confidence:
            self._told_no_confidence = True
            self._log.info(f"{outputs.CONFIDENCE} stays empty: backend {self._matcher.backend.name} gives none")

    def _send(self, topic: str, message: object, watch: Stopwatch) -> None:
        self._out.publish(topic, message)
        watch.lap("publish")

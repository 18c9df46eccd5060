"""A matched frame to messages, for what is listened to."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.ros import messages, outputs
from ffstereo_ros.ros.log_limiter import Log
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.rate_cap import RateCap
from ffstereo_ros.ros.settings import OutputSettings
from ffstereo_ros.ros.statistics import Stopwatch
from ffstereo_ros.ros.synchronisation import StereoSet

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class MatchedFrame:
    """A matched set, on its way out; ``matcher`` is the one that answered."""

    stereo: StereoSet
    camera: StereoCamera
    rgb: NDArray[np.uint8]
    result: StereoResult
    wanted: frozenset[str]
    matcher: StereoMatcher


class FramePublisher:
    """Publishes one frame on each topic that it is wanted on."""

    def __init__(self, out: Outputs, settings: OutputSettings, log: Log) -> None:
        self._out = out
        self._log = log
        self._told_no_confidence = False
        self.apply(settings)

    def apply(self, settings: OutputSettings) -> None:
        """Goes by other settings from the next frame on."""
        self._settings = settings
        self._cloud_cap = RateCap(settings.cloud_rate)

    def wanted(self) -> frozenset[str]:
        """The topics that somebody listens to and that are not switched off."""
        return self._out.wanted() - self._settings.switched_off

    def publish(self, frame: MatchedFrame, watch: Stopwatch) -> None:
        """Sends everything that is wanted of the frame.

        The cloud goes last: it is half of all bytes, and its listeners copy it at the expense of what comes after.
        """
        depth = self._depth(frame, watch) if outputs.DEPTH in frame.wanted else None
        self._publish_disparity(frame, watch)
        self._publish_depth(frame, depth, watch)
        self._publish_maps(frame, watch)
        if outputs.CLOUD in frame.wanted and self._cloud_cap.admits(time.monotonic()):
            self._publish_cloud(frame, depth, watch)

    def _depth(self, frame: MatchedFrame, watch: Stopwatch) -> Float32Array:
        limits = self._settings
        depth = frame.result.depth(frame.camera, min_depth=limits.min_depth, max_depth=limits.max_depth)
        watch.lap("geometry")
        return depth

    def _publish_cloud(self, frame: MatchedFrame, depth: Float32Array | None, watch: Stopwatch) -> None:
        limits, header, stride = self._settings, frame.stereo.left.header, self._settings.cloud_stride
        points = frame.result.packed_points(
            frame.camera, frame.rgb, stride=stride, min_depth=limits.min_depth, max_depth=limits.max_depth
        )
        watch.lap("geometry")
        if points is not None:
            message = messages.points_message(points, header)
        else:
            depth = self._depth(frame, watch) if depth is None else depth
            message = messages.cloud_message(depth, frame.camera, frame.rgb, header, stride=stride)
        self._send(outputs.CLOUD, message, watch)

    def _publish_disparity(self, frame: MatchedFrame, watch: Stopwatch) -> None:
        if outputs.DISPARITY not in frame.wanted:
            return
        message = messages.disparity_message(
            frame.result.disparity,
            frame.camera,
            frame.stereo.left.header,
            max_disparity=frame.result.max_disparity,
            step=getattr(frame.matcher.backend, "disparity_step", 0.0) / frame.matcher.scale,
        )
        self._send(outputs.DISPARITY, message, watch)

    def _publish_depth(self, frame: MatchedFrame, depth: Float32Array | None, watch: Stopwatch) -> None:
        header = frame.stereo.left.header
        if outputs.DEPTH_INFO in frame.wanted:
            self._send(outputs.DEPTH_INFO, messages.depth_camera_info(frame.stereo.left_info, header), watch)
        if depth is not None and outputs.DEPTH in frame.wanted:
            self._send(outputs.DEPTH, messages.depth_message(depth, header, self._settings.depth_encoding), watch)

    def _publish_maps(self, frame: MatchedFrame, watch: Stopwatch) -> None:
        header, result = frame.stereo.left.header, frame.result
        if outputs.CONFIDENCE in frame.wanted:
            self._publish_confidence(frame, header, watch)
        if outputs.COLOUR in frame.wanted:
            image = messages.colour_image(result.disparity, header, max_disparity=result.max_disparity)
            self._send(outputs.COLOUR, image, watch)

    def _publish_confidence(self, frame: MatchedFrame, header: Header, watch: Stopwatch) -> None:
        if frame.result.confidence is not None:
            self._send(outputs.CONFIDENCE, messages.float_image(frame.result.confidence, header), watch)
        elif not self._told_no_confidence:
            self._told_no_confidence = True
            self._log.info(f"{outputs.CONFIDENCE} stays empty: backend {frame.matcher.backend.name} gives none")

    def _send(self, topic: str, message: object, watch: Stopwatch) -> None:
        self._out.publish(topic, message)
        watch.lap("publish")

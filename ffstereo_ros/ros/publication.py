"""A matched frame to messages, for what is listened to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.ros import messages, outputs
from ffstereo_ros.ros.demand import Demand, demand
from ffstereo_ros.ros.log_limiter import Log
from ffstereo_ros.ros.outputs import Outputs
from ffstereo_ros.ros.rate_cap import RateCap
from ffstereo_ros.ros.settings import OutputSettings
from ffstereo_ros.ros.statistics import Stopwatch
from ffstereo_ros.ros.synchronisation import StereoSet
from ffstereo_ros.ros.unknown_frames import has_known_pixel

Float32Array = NDArray[np.float32]

# No message takes so long to send. Fast DDS waits 2 s for a lock that a killed listener held (eProsima/Fast-DDS#6117).
_STUCK_S = 1.0


@dataclass(frozen=True)
class MatchedFrame:
    """A matched set, on its way out; ``matcher`` is the one that answered."""

    stereo: StereoSet
    camera: StereoCamera
    rgb: NDArray[np.uint8]
    result: StereoResult
    wanted: frozenset[str]
    matcher: StereoMatcher


@dataclass(frozen=True)
class Sent:
    """What went out of one frame.

    Attributes:
        topics: that something was sent on: what the backend does not give stays out.
        unknown: those of them whose message has no known pixel.
    """

    topics: frozenset[str]
    unknown: frozenset[str]


@dataclass
class _Post:
    """Sends the messages of one frame.

    Attributes:
        known: their topics, and whether there is a known pixel in the message.
    """

    out: Outputs
    watch: Stopwatch
    log: Log
    known: dict[str, bool] = field(default_factory=dict)

    def send(self, topic: str, message: object) -> None:
        began = time.perf_counter()
        self.out.publish(topic, message)
        seconds = time.perf_counter() - began
        if seconds > _STUCK_S:
            self.log.warning(
                f"sending {topic} took {seconds:.1f} s, in which no frame was matched: Fast DDS waits so long for what "
                "a listener that crashed or was killed had locked in shared memory; end listeners with Ctrl-C"
            )
        self.known[topic] = has_known_pixel(topic, message)
        self.watch.lap("publish")

    def sent(self) -> Sent:
        return Sent(frozenset(self.known), frozenset(topic for topic, known in self.known.items() if not known))


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

    def demand(self, stereo: StereoSet, *, asked: bool) -> Demand:
        """What those who listen are to get of the set; the cloud's rate cap is not for one that was ``asked`` for."""
        due = asked or self._cloud_cap.due(stereo.arrived)
        return demand(self._out.wanted(), self._settings, cloud_due=due)

    def publish(self, frame: MatchedFrame, watch: Stopwatch) -> Sent:
        """Sends everything that is wanted of the frame.

        The cloud goes last: it is half of all bytes, and its listeners copy it at the expense of what comes after.
        """
        post = _Post(self._out, watch, self._log)
        depth = self._depth(frame, watch) if outputs.DEPTH in frame.wanted else None
        self._publish_disparity(frame, post)
        self._publish_depth(frame, depth, post)
        self._publish_maps(frame, post)
        if outputs.CLOUD in frame.wanted:
            self._publish_cloud(frame, depth, post)
            self._cloud_cap.admits(frame.stereo.arrived)  # `demand` found it due; a frame that failed is not counted
        return post.sent()

    def _depth(self, frame: MatchedFrame, watch: Stopwatch) -> Float32Array:
        limits = self._settings
        depth = frame.result.depth(frame.camera, min_depth=limits.min_depth, max_depth=limits.max_depth)
        watch.lap("geometry")
        return depth

    def _publish_cloud(self, frame: MatchedFrame, depth: Float32Array | None, post: _Post) -> None:
        limits, header, stride = self._settings, frame.stereo.left.header, self._settings.cloud_stride
        points = frame.result.packed_points(
            frame.camera, frame.rgb, stride=stride, min_depth=limits.min_depth, max_depth=limits.max_depth
        )
        post.watch.lap("geometry")
        if points is not None:
            message = messages.points_message(points, header)
        else:
            depth = self._depth(frame, post.watch) if depth is None else depth
            message = messages.cloud_message(depth, frame.camera, frame.rgb, header, stride=stride)
        post.send(outputs.CLOUD, message)

    def _publish_disparity(self, frame: MatchedFrame, post: _Post) -> None:
        if outputs.DISPARITY not in frame.wanted:
            return
        message = messages.disparity_message(
            frame.result.disparity,
            frame.camera,
            frame.stereo.left.header,
            max_disparity=frame.result.max_disparity,
            step=getattr(frame.matcher.backend, "disparity_step", 0.0) / frame.matcher.scale,
        )
        post.send(outputs.DISPARITY, message)

    def _publish_depth(self, frame: MatchedFrame, depth: Float32Array | None, post: _Post) -> None:
        header = frame.stereo.left.header
        if outputs.DEPTH_INFO in frame.wanted:
            post.send(outputs.DEPTH_INFO, messages.depth_camera_info(frame.stereo.left_info, header))
        if depth is not None and outputs.DEPTH in frame.wanted:
            post.send(outputs.DEPTH, messages.depth_message(depth, header, self._settings.depth_encoding))

    def _publish_maps(self, frame: MatchedFrame, post: _Post) -> None:
        header, result = frame.stereo.left.header, frame.result
        if outputs.CONFIDENCE in frame.wanted:
            self._publish_confidence(frame, header, post)
        if outputs.COLOUR in frame.wanted:
            image = messages.colour_image(result.disparity, header, max_disparity=result.max_disparity)
            post.send(outputs.COLOUR, image)

    def _publish_confidence(self, frame: MatchedFrame, header: Header, post: _Post) -> None:
        if frame.result.confidence is not None:
            post.send(outputs.CONFIDENCE, messages.float_image(frame.result.confidence, header))
        elif not self._told_no_confidence:
            self._told_no_confidence = True
            self._log.info(no_confidence(frame.matcher.backend.name))


def no_confidence(backend: str) -> str:
    """Why a topic that is listened to stays empty, in one line."""
    empty = f"{outputs.CONFIDENCE} stays empty: backend {backend} gives none"
    return f"{empty}; listen to another output, or use another backend"

"""The four input topics, matched by their stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import message_filters
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ffstereo_ros.ros.camera_presets import COMPRESSED_SUFFIX
from ffstereo_ros.ros.qos import naming

# Topic name and message type, in the order of the fields of StereoSet.
INPUTS: tuple[tuple[str, type], ...] = (
    ("left/image_rect", Image),
    ("right/image_rect", Image),
    ("left/camera_info", CameraInfo),
    ("right/camera_info", CameraInfo),
)

# Messages that wait for the executor.
_QUEUE = 5

# A step back beyond this is a clock that was set back or a bag that started again, not a message out of order.
_CLOCK_JUMP_NS = 1_000_000_000


@dataclass(frozen=True)
class StereoSet:
    """One message of each input topic, belonging together; ``arrived`` is ``time.monotonic()``, s."""

    left: Image | CompressedImage
    right: Image | CompressedImage
    left_info: CameraInfo
    right_info: CameraInfo
    arrived: float = field(default_factory=time.monotonic)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the left image, ns."""
        return nanoseconds(self.left)


def nanoseconds(message: Any) -> int:
    """The stamp of a message with a header, ns."""
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


class Source(NamedTuple):
    """What is subscribed to for an input."""

    topic: str
    message_type: type


class InputTopic(message_filters.SimpleFilter):
    """A subscription that counts, remembers its last message's stamp and arrival, and passes messages on.

    Args:
        on_clock_jump: told this topic and its last stamp before the jump, ns; before the message is passed on.

    Attributes:
        topic: the name as in ``INPUTS``.
        resolved: the same with namespace and remapping applied.
        received: messages that came, those with a negative stamp included.
        last_arrival: ``time.monotonic()`` of the last message, s, or None.
        last_stamp_ns: its stamp, ns.
    """

    def __init__(
        self, node: Node, topic: str, source: Source, on_clock_jump: Callable[[InputTopic, int], None]
    ) -> None:
        super().__init__()
        self.topic = topic
        self.received = 0
        self.last_arrival: float | None = None
        self.last_stamp_ns = 0
        self._on_clock_jump = on_clock_jump
        # As qos_profile_sensor_data, but a profile of its own: rclpy writes the topic's overrides into it.
        profile = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT)
        options = QoSOverridingOptions.with_default_policies()
        with naming(node, source.topic, "subscription"):
            self.subscription = node.create_subscription(
                source.message_type, source.topic, self._receive, profile, qos_overriding_options=options
            )
        self.resolved: str = self.subscription.topic_name

    def _receive(self, message: Any) -> None:
        self.received += 1
        self.last_arrival = time.monotonic()
        stamp_ns = nanoseconds(message)
        # rclpy's Time refuses a negative stamp, inside message_filters while its lock is held for good.
        if stamp_ns < 0:
            return
        self._note(stamp_ns)
        self.signalMessage(message)

    def _note(self, stamp_ns: int) -> None:
        previous, self.last_stamp_ns = self.last_stamp_ns, stamp_ns
        if stamp_ns < previous - _CLOCK_JUMP_NS:
            self._on_clock_jump(self, previous)


class StereoSynchroniser:
    """Hands over sets of four messages, of one stamp (exact) or of stamps within a tolerance (approximate).

    Args:
        on_set: called on the executor's thread; it must not raise or wait.
        on_clock_jump: told the first topic whose stamps stepped back by more than a second; once for all four.
        tolerance: largest stamp difference, s; 0 = exact.
        queue_size: messages kept per topic.
        compressed: images come by image_transport's ``compressed``.
    """

    def __init__(
        self,
        node: Node,
        on_set: Callable[[StereoSet], None],
        on_clock_jump: Callable[[str], None],
        *,
        tolerance: float,
        queue_size: int,
        compressed: bool = False,
    ) -> None:
        self.sets = 0
        self._node = node
        self.tolerance = tolerance
        self._on_set = on_set
        self._on_clock_jump = on_clock_jump
        self._jumped: list[InputTopic] = []
        self.inputs: tuple[InputTopic, ...] = ()
        try:
            for name, source in sources(node, compressed=compressed).items():
                self.inputs += (InputTopic(node, name, source, self._clock_jumped),)
        except BaseException:
            self.destroy()
            raise
        if tolerance > 0:
            self._sync = message_filters.ApproximateTimeSynchronizer(self.inputs, queue_size, tolerance)
        else:
            self._sync = message_filters.TimeSynchronizer(self.inputs, queue_size)
        self._sync.registerCallback(self._matched)

    def destroy(self) -> None:
        """Takes the subscriptions away; ``on_set`` is not called afterwards."""
        for topic in self.inputs:
            self._node.destroy_subscription(topic.subscription)

    def unmatched(self) -> dict[str, int]:
        """Per topic: messages that came, found no partners, and are not waiting for them any more."""
        waiting = [len(queue) for queue in self._sync.queues]
        return {topic.topic: max(topic.received - self.sets - count, 0) for topic, count in zip(self.inputs, waiting)}

    def _matched(self, left: Any, right: Any, left_info: CameraInfo, right_info: CameraInfo) -> None:
        self.sets += 1
        self._on_set(StereoSet(left, right, left_info, right_info))

    def _clock_jumped(self, topic: InputTopic, before_ns: int) -> None:
        """The first topic clears all queues, those that follow it their own: the first has new messages in its."""
        first = not self._follows(topic, before_ns)
        self._jumped = [topic] if first else [*self._jumped, topic]
        for each, queue in zip(self.inputs, self._sync.queues):
            if first or each is topic:
                _forget_newer(queue, topic.last_stamp_ns)
        if first:
            self._on_clock_jump(topic.topic)

    def _follows(self, topic: InputTopic, before_ns: int) -> bool:
        """Whether another topic made the same jump before: it is behind where this one was, and this one not yet."""
        return topic not in self._jumped and any(
            each.last_stamp_ns < before_ns - _CLOCK_JUMP_NS for each in self._jumped
        )


def _forget_newer(queue: dict[Any, Any], stamp_ns: int) -> None:
    """Messages of before a jump are the newest by stamp: they would crowd out every new one."""
    for key in [key for key, message in queue.items() if nanoseconds(message) > stamp_ns]:
        del queue[key]


def sources(node: Node, *, compressed: bool) -> dict[str, Source]:
    """What is subscribed to, by the names in ``INPUTS``.

    Args:
        compressed: images come by image_transport's ``compressed``.
    """
    return {
        name: _compressed(node, name) if compressed and kind is Image else Source(name, kind) for name, kind in INPUTS
    }


def _compressed(node: Node, name: str) -> Source:
    """Below the topic that ``name`` is remapped to, as image_transport has it."""
    return Source(f"{node.resolve_topic_name(name)}{COMPRESSED_SUFFIX}", CompressedImage)

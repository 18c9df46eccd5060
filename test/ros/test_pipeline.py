"""Between the topics and the inference thread: what a jump of the clock leaves to be matched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from rclpy.parameter import Parameter
from ros_rig import Rig, good_frame

from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.stereo_node import StereoNode
from ffstereo_ros.ros.synchronisation import StereoSet


class BusyProcessor:
    """In the place of ``FrameProcessor``'s methods: a frame is in work until ``go_on``.

    Attributes:
        done: whole seconds of the stamps that were matched, and what was forgotten in between.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: list[object] = []
        self.working, self.go_on = threading.Event(), threading.Event()
        self._changed = threading.Condition()
        patch.setattr(FrameProcessor, "process", lambda _, stereo, **_asked: self._process(stereo))
        patch.setattr(FrameProcessor, "forget", lambda _: self._note("forgotten"))

    def wait_for(self, *done: object) -> None:
        """Until all these are done."""
        with self._changed:
            assert self._changed.wait_for(lambda: set(done) <= set(self.done), 5), self.done

    def _process(self, stereo: StereoSet) -> None:
        self.working.set()
        assert self.go_on.wait(5)
        self._note(stereo.stamp_ns // 10**9)

    def _note(self, what: object) -> None:
        with self._changed:
            self.done.append(what)
            self._changed.notify()


@pytest.fixture
def feed(rig: Rig) -> Any:
    """``feed(node, 100, topics)``: messages of this second as if they had come over the wire."""

    def act(node: StereoNode, second: int, topics: slice = slice(None)) -> None:
        assert node._pipeline is not None
        inputs = node._pipeline.synchroniser.inputs
        for topic, message in list(zip(inputs, good_frame().messages().values()))[topics]:
            message.header.stamp.sec = second
            topic._receive(message)

    return act


def test_a_set_of_before_a_jump_of_the_clock_is_not_matched_after_it(
    rig: Rig, feed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = BusyProcessor(monkeypatch)
    node = StereoNode(context=rig.context, parameter_overrides=[Parameter("backend", value="sgbm")])
    try:
        feed(node, 100)
        assert processor.working.wait(5)
        feed(node, 101)  # waits for the frame in work
        feed(node, 10, slice(1))
        processor.go_on.set()
        processor.wait_for(100, "forgotten")
        feed(node, 10, slice(1, None))
        processor.wait_for(10)
        assert processor.done == [100, "forgotten", 10]
        counts = node._statistics.values()
        assert (counts["sets"], counts["dropped_clock_jump"]) == ("3", "1")
    finally:
        node.destroy_node()

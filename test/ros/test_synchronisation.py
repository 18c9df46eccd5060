"""What the synchroniser is spared, and how it counts; matching itself is the contract of message_filters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ros_rig import Rig, good_frame

from ffstereo_ros.ros.synchronisation import StereoSet, StereoSynchroniser


class Recorder:
    """A synchroniser on the rig's node, its sets and its jumps."""

    def __init__(self, rig: Rig, tolerance: float = 0.0) -> None:
        self.sets: list[StereoSet] = []
        self.jumps: list[str] = []
        self.synchroniser = StereoSynchroniser(
            rig.node, self.sets.append, self.jumps.append, tolerance=tolerance, queue_size=3
        )

    def feed(self, *stamps: int, silent: int = -1, only: Sequence[int] = range(4)) -> None:
        """One message of each topic as if it had come over the wire; stamps in ns."""
        for index, (topic, message) in enumerate(zip(self.synchroniser.inputs, good_frame().messages().values())):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamps[index % len(stamps)], 10**9)
            if index in only and index != silent:
                topic._receive(message)


@pytest.fixture
def recorder(rig: Rig) -> Recorder:
    return Recorder(rig)


def test_a_set_has_its_messages_in_place(recorder: Recorder) -> None:
    recorder.feed(5 * 10**9 + 7)
    (stereo,) = recorder.sets
    assert stereo.stamp_ns == 5 * 10**9 + 7
    assert stereo.left_info.p[3] == 0.0
    assert stereo.right_info.p[3] < 0.0
    assert stereo.left.data != stereo.right.data


def test_negative_stamps_are_left_out_and_counted(recorder: Recorder) -> None:
    # rclpy's Time refuses them, inside the real message_filters while its lock is held: the node would hang for good.
    recorder.feed(-(10**9))
    recorder.feed(10**9)
    assert [stereo.stamp_ns for stereo in recorder.sets] == [10**9]
    assert set(recorder.synchroniser.unmatched().values()) == {1}


def test_what_waits_is_not_yet_unmatched(recorder: Recorder) -> None:
    for second in range(5):
        recorder.feed(second * 10**9, silent=1)
    assert recorder.synchroniser.unmatched() == {
        "left/image_rect": 2,  # of 5, 3 wait
        "right/image_rect": 0,
        "left/camera_info": 2,
        "right/camera_info": 2,
    }


def test_a_jump_back_is_told_once_and_what_waits_is_forgotten(recorder: Recorder) -> None:
    for second in (100, 101, 102):
        recorder.feed(second * 10**9, silent=1)
    recorder.feed(10 * 10**9)
    assert recorder.jumps == ["left/image_rect"]
    recorder.feed(11 * 10**9)
    assert [stereo.stamp_ns for stereo in recorder.sets] == [10 * 10**9, 11 * 10**9]


@pytest.mark.parametrize("tolerance", [0.0, 0.01])
def test_a_recording_in_a_loop_loses_nothing(rig: Rig, tolerance: float) -> None:
    recorder = Recorder(rig, tolerance)
    loops = [second * 10**9 for second in (10, 12, 14)] * 3
    for stamp in loops:
        recorder.feed(stamp)
    assert [stereo.stamp_ns for stereo in recorder.sets] == loops
    assert recorder.jumps == ["left/image_rect"] * 2


def test_topics_that_jump_one_after_the_other_keep_what_came_since(recorder: Recorder) -> None:
    """The transport keeps the order within a topic, not between topics."""
    left, *others = range(4)
    recorder.feed(100 * 10**9)
    for second in (101, 10, 11, 12):
        recorder.feed(second * 10**9, only=[left])
    for second in (101, 102, 103, 10, 11, 12):  # the last of before the jump are late, and fill the queues
        recorder.feed(second * 10**9, only=others)
    assert [stereo.stamp_ns for stereo in recorder.sets] == [second * 10**9 for second in (100, 10, 11, 12)]
    assert recorder.jumps == ["left/image_rect"]


def test_a_topic_that_missed_a_jump_tells_the_next(recorder: Recorder) -> None:
    left, right, *infos = range(4)
    recorder.feed(100 * 10**9)
    recorder.feed(10 * 10**9, silent=right)
    recorder.feed(100 * 10**9)
    recorder.feed(10 * 10**9, only=[right])
    recorder.feed(10 * 10**9, only=[left, *infos])
    assert recorder.jumps == ["left/image_rect", "right/image_rect"]
    assert [stereo.stamp_ns for stereo in recorder.sets] == [second * 10**9 for second in (100, 100, 10)]


def test_a_message_a_little_out_of_order_is_no_jump(recorder: Recorder) -> None:
    for stamp in (2 * 10**9, 1_900_000_000):
        recorder.feed(stamp)
    assert (len(recorder.sets), recorder.jumps) == (2, [])


def test_a_tolerance_matches_approximately(rig: Rig) -> None:
    recorder = Recorder(rig, tolerance=0.01)
    recorder.feed(10**9, 10**9 + 9_000_000)
    recorder.feed(2 * 10**9, 2 * 10**9 + 11_000_000)
    assert [stereo.stamp_ns for stereo in recorder.sets] == [10**9]

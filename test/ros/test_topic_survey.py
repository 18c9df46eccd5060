"""``ffstereo doctor --topics`` on a camera that publishes, and on silence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ros_rig import Rig, good_frame
from sensor_msgs.msg import CompressedImage

from ffstereo_ros.cli.main import main
from ffstereo_ros.ros.topic_survey import survey


@contextmanager
def publishing(rig: Rig, **changes) -> Iterator[None]:
    """Publishes good frames at 20 Hz from a thread of its own."""
    stop = threading.Event()

    def publish() -> None:
        frame = good_frame(**changes)
        while not stop.wait(0.05):
            rig.send(frame)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_live_pair_is_heard_and_judged(rig: Rig) -> None:
    with publishing(rig):
        found = survey("", "", "", 3.0)
    assert (found.left, found.right) == ("/left/image_rect", "/right/image_rect")
    assert {finding.level for finding in found.findings} == {"ok"}
    assert "best_effort" in found.findings[0].text
    assert len(found.stamps.left) > 5
    assert found.pairs[0][0].shape == (96, 160, 3)
    assert found.camera is not None
    assert found.camera.baseline == pytest.approx(0.1)


def test_compressed_images_are_named_with_what_takes_them(rig: Rig) -> None:
    for side in ("left", "right"):
        rig.node.create_publisher(CompressedImage, f"/cam/{side}/compressed", 1)
    found = survey("", "/cam/left/compressed", "/cam/right/compressed", 2.0)
    assert found.findings[0].text == "/cam/left/compressed: is sensor_msgs/msg/CompressedImage, not an Image"
    assert "input_transport:=compressed" in found.findings[0].remedy


def test_silence_is_named_and_fails(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--topics", "--namespace", "robot", "--seconds", "1", "--no-system"]) == 1
    text = capsys.readouterr().out
    assert "/robot/left/image_rect: nobody publishes it" in text
    assert "no camera_info from the left and right camera" in text

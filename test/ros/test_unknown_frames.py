"""A frame that is published without one known pixel is no healthy one: told with the likely cause, and a warning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ros_rig import BASELINE, CX_LEFT, CX_RIGHT, FOCAL, HEIGHT, WIDTH, Frame, Rig, camera_info, good_frame
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.ros import messages, outputs
from ffstereo_ros.ros.processes import ModuleProcess
from ffstereo_ros.ros.settings import FrameSettings, OutputSettings
from ffstereo_ros.ros.unknown_frames import explain, has_known_pixel

StartNode = Callable[..., ModuleProcess]
OK, WARN = (str(bytes([level])) for level in range(2))
CAMERA = StereoCamera(WIDTH, HEIGHT, FOCAL, FOCAL, CX_LEFT, CX_RIGHT, HEIGHT / 2, BASELINE)
ALL = frozenset({outputs.DISPARITY, outputs.DEPTH, outputs.CLOUD, outputs.COLOUR})
ROI = (
    "the region of interest begins at x = 5000 px, y = 0 px and the image is 160x96 px: "
    "set roi_x below 160 px and roi_y below 96 px"
)


def _behind() -> Frame:
    return good_frame(right_info=camera_info(cx=-300.0, t=BASELINE))


@pytest.mark.parametrize(
    ("arguments", "make", "topics", "cause"),
    [
        (("roi_x:=5000",), good_frame, ALL, ROI),
        ((), _behind, ALL - {outputs.COLOUR}, "cx_right - cx_left = -380 px"),
        (("max_depth:=0.1",), good_frame, frozenset({outputs.DEPTH, outputs.CLOUD}), "max_depth = 0.1 m"),
    ],
    ids=["region", "calibration", "range"],
)
def test_what_is_wholly_unknown_is_warned_of(
    arguments: tuple[str, ...],
    make: Callable[[], Frame],
    topics: frozenset[str],
    cause: str,
    rig: Rig,
    start_node: StartNode,
) -> None:
    node = start_node(*(word for each in arguments for word in ("-p", each)))
    rig.listen()
    rig.spin_until(rig.connected, what="the node's topics")
    frame, line = make(), f"no known pixel in {', '.join(sorted(topics))}: "
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: line in rig.status.get("message", ""), what="the diagnostics")
        assert (rig.status["level"], cause in rig.status["message"]) == (WARN, True)
        rig.spin_until(lambda: int(rig.status["published_all_unknown"]) > 10, what="the count")
        assert rig.status["level"] == WARN
        assert node.tail(100).count(line) == 1  # once, not once a frame
        assert cause in node.tail(100)
    frame = good_frame()
    rig.set(roi_x=0, max_depth=1000.0)
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: rig.status["level"] == OK, what="level OK")


def test_frames_with_known_pixels_are_healthy(rig: Rig, start_node: StartNode) -> None:
    node = start_node()
    rig.listen()
    rig.spin_until(rig.connected, what="the node's topics")
    frame = good_frame()
    with rig.sending(lambda: rig.send(frame)):
        rig.spin_until(lambda: int(rig.status.get("published", 0)) > 10, what="frames")
    assert (rig.status["level"], rig.status["published_all_unknown"]) == (OK, "0")
    assert "no known pixel" not in node.tail(100)


def _published(topic: str, disparity: np.ndarray, camera: StereoCamera = CAMERA, encoding: str = "32FC1") -> object:
    header = Header()
    depth = np.float32(FOCAL * BASELINE) / (disparity + np.float32(camera.cx_offset))
    make: dict[str, Callable[[], object]] = {
        outputs.DISPARITY: lambda: messages.disparity_message(disparity, camera, header, max_disparity=64.0, step=0.0),
        outputs.DEPTH: lambda: messages.depth_message(depth, header, encoding),
        outputs.CLOUD: lambda: messages.cloud_message(
            depth, camera, np.full((HEIGHT, WIDTH, 3), 200, np.uint8), header
        ),
        outputs.COLOUR: lambda: messages.colour_image(disparity, header, max_disparity=64.0),
    }
    return make[topic]()


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
@pytest.mark.parametrize("topic", sorted(ALL))
def test_one_pixel_is_enough_wherever_it_is(topic: str, encoding: str) -> None:
    disparity = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    assert not has_known_pixel(topic, _published(topic, disparity, encoding=encoding))
    for row, column in ((0, 0), (7, 13), (HEIGHT - 1, WIDTH - 1)):
        for value in (0.0, 10.0, 64.0):
            one = disparity.copy()
            one[row, column] = value
            assert has_known_pixel(topic, _published(topic, one, encoding=encoding)), (row, column, value)


@pytest.mark.parametrize("topic", [outputs.CONFIDENCE, outputs.DEPTH_INFO])
def test_what_has_no_unknown_pixels_is_not_judged(topic: str) -> None:
    assert has_known_pixel(topic, object())


def test_16_bits_that_hold_no_such_depth_are_unknown() -> None:
    far = replace(CAMERA, cx_right=CX_LEFT)
    disparity = np.full((HEIGHT, WIDTH), 0.1, np.float32)  # 120 m, and 65.535 m is the most
    assert has_known_pixel(outputs.DEPTH, _published(outputs.DEPTH, disparity, far))
    assert not has_known_pixel(outputs.DEPTH, _published(outputs.DEPTH, disparity, far, "16UC1"))
    disparity[7, 13] = 0.3  # 40 m, of whose two bytes the first bit is set
    assert has_known_pixel(outputs.DEPTH, _published(outputs.DEPTH, disparity, far, "16UC1"))


@pytest.mark.parametrize(
    ("filters", "limits", "camera", "topics", "cause"),
    [
        ({"roi_x": 5000}, {}, {}, ALL, ROI),
        ({"roi_y": HEIGHT}, {}, {}, ALL, "begins at x = 0 px, y = 96 px"),
        (
            {},
            {},
            {"cx_right": -300.0},
            ALL,
            "-380 px in camera_info puts all disparities, up to 65 px, behind the cameras",
        ),
        ({}, {"max_depth": 0.17}, {}, {outputs.DEPTH}, "max_depth = 0.17 m is nearer than 0.176 m"),
        ({}, {"min_depth": 4.1}, {}, {outputs.CLOUD}, "min_depth = 4.1 m is farther than 4 m"),
        (
            {"confidence_threshold": 0.9, "speckle_size": 200, "roi_x": 150},
            {"max_depth": 2.0},
            {},
            ALL,
            "look at roi_x = 150 px, confidence_threshold = 0.9, speckle_size = 200, max_depth = 2 m;",
        ),
        ({}, {"max_depth": 2.0}, {}, {outputs.DISPARITY}, "is a lens covered"),
        ({}, {}, {}, ALL, "is a lens covered, are left and right exchanged, or is the pair not rectified?"),
    ],
)
def test_the_likely_cause_has_its_numbers(
    filters: dict[str, int], limits: dict[str, float], camera: dict[str, float], topics: set[str], cause: str
) -> None:
    settings = FrameSettings(OutputSettings(**limits), FilterSettings(**filters))  # type: ignore[arg-type]
    told = explain(frozenset(topics), settings, replace(CAMERA, **camera), max_disparity=64.0)
    assert cause in told
    assert "\n" not in told


def test_limits_of_depth_are_not_blamed_for_a_disparity() -> None:
    settings = FrameSettings(OutputSettings(max_depth=0.1))
    assert "max_depth" not in explain(frozenset({outputs.DISPARITY}), settings, CAMERA, max_disparity=64.0)

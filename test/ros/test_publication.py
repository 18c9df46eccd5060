"""What is published of an answer on a device is, byte for byte, what is published of the same answer in NumPy."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ros_rig import CX_LEFT, CX_RIGHT, HEIGHT, WIDTH, good_frame
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.core.frame import plan_frame
from ffstereo_ros.core.matcher import Answer, BackendAnswer, StereoMatcher
from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros import messages, outputs, publication
from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.settings import FrameSettings, OutputSettings
from ffstereo_ros.ros.statistics import Statistics
from ffstereo_ros.ros.synchronisation import StereoSet

pytest.importorskip("torch", reason="needs torch")

import torch

from ffstereo_ros.backends import device_maps, device_result
from ffstereo_ros.backends.device_maps import DeviceTables
from ffstereo_ros.backends.device_result import DeviceAnswer, Workplace

ALL = frozenset(outputs.TYPES)
SCALE = 1.5
CLOSE = FrameSettings(OutputSettings(min_depth=0.5, max_depth=3.0, cloud_stride=3))


class Port:
    """A backend that answers the same maps as arrays or on a device, and what hears of it."""

    name = "told"
    size_multiple = 32
    max_disparity = 64

    def __init__(self, settings: FrameSettings, listened: frozenset[str] = ALL, *, device: bool = True) -> None:
        self.answer: Answer = _answer(device)
        self.listened = listened
        self.published: dict[str, Any] = {}
        self.waits: float = 0.0
        self.lines: list[str] = []
        self.info = self.warning = self.error = self.lines.append
        self.statistics = Statistics(10.0)
        self.processor = FrameProcessor(
            StereoMatcher(self, scale=SCALE),
            self,
            self.statistics,
            settings,
            self,
            now_ns=lambda: 50_000_000,
            alive=lambda: True,
        )  # type: ignore[arg-type]

    def infer(self, left: Any, right: Any, *, initial_disparity: Any = None) -> Answer:
        return self.answer

    def wanted(self) -> frozenset[str]:
        return self.listened

    def publish(self, topic: str, message: Any) -> None:
        time.sleep(self.waits)
        self.published[topic] = message

    def process(self) -> None:
        frame = good_frame()
        assert self.processor.process(StereoSet(frame.left, frame.right, frame.left_info, frame.right_info)) is None


def _answer(device: bool, stage: Any = torch.inference_mode) -> Answer:
    """Disparities with edges, of which some are unknown, negative and beyond the range."""
    rng, shape = np.random.default_rng(0), plan_frame(HEIGHT, WIDTH, scale=SCALE, multiple=32).model_shape
    maps = np.stack((rng.uniform(2, 60, shape), rng.uniform(0, 1, shape))).astype(np.float32)
    for value in (np.nan, -3.0, 200.0):
        maps[0, rng.random(shape) < 0.1] = value
    if not device:
        return BackendAnswer(*maps)
    return DeviceAnswer(torch.from_numpy(maps), Workplace(DeviceTables(torch.device("cpu")), stage))


def _bytes(message: Any) -> bytes:
    data = message.image.data if hasattr(message, "image") else message.data
    return bytes(data)


@pytest.mark.parametrize(
    "settings",
    [
        FrameSettings(),
        CLOSE,
        FrameSettings(filters=FilterSettings(roi_x=20, speckle_size=3)),
        FrameSettings(warm_start=True),
    ],
    ids=["plain", "close", "filtered", "warm"],
)
def test_every_message_is_that_of_the_host(settings: FrameSettings) -> None:
    ports = [Port(settings, device=device) for device in (False, True)]
    for port in ports:
        port.process()
        port.process()
    host, ours = (port.published for port in ports)
    assert set(ours) == set(host) == ALL
    for topic in sorted(ALL - {outputs.DEPTH_INFO}):
        assert _bytes(ours[topic]) == _bytes(host[topic]), topic
    assert ours[outputs.CLOUD].width == -(-WIDTH // settings.outputs.cloud_stride)
    assert ours[outputs.CLOUD].row_step == host[outputs.CLOUD].row_step
    assert ports[0].lines == ports[1].lines != []  # of negative disparities


@pytest.mark.parametrize(
    ("topic", "copied"),
    [
        (outputs.DISPARITY, (HEIGHT, WIDTH)),
        (outputs.COLOUR, (HEIGHT, WIDTH)),
        (outputs.CONFIDENCE, (HEIGHT, WIDTH)),
        (outputs.DEPTH, (HEIGHT, WIDTH)),
        (outputs.CLOUD, (HEIGHT // 3, -(-WIDTH // 3), 4)),
    ],
)
def test_only_what_is_listened_to_is_copied(
    topic: str, copied: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: Counter[tuple[int, ...]] = Counter()

    def counted(values: Any) -> Any:
        shapes[tuple(values.shape)] += 1
        return device_maps.to_host(values)

    monkeypatch.setattr(device_result, "to_host", counted)
    port = Port(CLOSE, frozenset({topic}))
    for _ in range(12):
        port.answer = _answer(True)
        port.process()
    assert set(port.published) == {topic}
    # Beside it two counts, of the first ten frames: how many disparities are negative.
    assert shapes == {copied: 12, (2,): 10}


def test_a_frame_that_does_not_fit_any_more_is_dropped_and_the_next_one_is_published() -> None:
    def full() -> Any:
        raise BackendError("does not fit into the GPU's memory")

    port = Port(FrameSettings(), frozenset({outputs.CLOUD}))
    port.answer = _answer(True, full)
    frame = good_frame()
    stereo = StereoSet(frame.left, frame.right, frame.left_info, frame.right_info)
    assert port.processor.process(stereo) == "does not fit into the GPU's memory"
    assert port.statistics.values()["dropped_backend_error"] == "1"
    port.answer = _answer(True)
    port.process()
    assert set(port.published) == {outputs.CLOUD}


@pytest.mark.parametrize("waits", [0.0, 0.6])
def test_it_is_told_that_the_middleware_waited(waits: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_STUCK_S", 0.5)
    port = Port(CLOSE, frozenset({outputs.DEPTH}), device=False)
    port.waits = waits
    port.process()
    told = [line[:31] for line in port.lines if "Fast DDS waits" in line]
    assert told == (["sending depth/image_rect took 0"] if waits else [])


def test_packed_points_are_the_cloud_message_of_the_same_depth() -> None:
    camera = StereoCamera(WIDTH, HEIGHT, 120.0, 120.0, CX_LEFT, CX_RIGHT, 48.0, 0.1)
    rgb: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    geometry = plan_frame(HEIGHT, WIDTH, scale=SCALE, multiple=32)
    result = _answer(True).restore(geometry, max_disparity=42.0, infer_seconds=0.0)
    points = result.packed_points(camera, rgb, stride=1, min_depth=0.0, max_depth=9.0)
    assert points is not None
    ours = messages.points_message(points, Header(frame_id="left"))
    depth = result.depth(camera, min_depth=0.0, max_depth=9.0)
    assert ours == messages.cloud_message(depth, camera, rgb, Header(frame_id="left"))

"""Whatever CameraInfo and Image messages come: the processing lives, counts each set once, and publishes no lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ros_rig import BASELINE, CX_RIGHT, FOCAL, camera_info, image
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from sensor_msgs_py.point_cloud2 import read_points
from stereo_msgs.msg import DisparityImage

from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.settings import FrameSettings, OutputSettings
from ffstereo_ros.ros.statistics import DROP_CAUSES, Statistics
from ffstereo_ros.ros.synchronisation import StereoSet

WIDTHS, HEIGHTS = (32, 33, 47, 64), (32, 40, 51)
ENCODINGS = ("mono8", "8UC1", "rgb8", "bgr8", "8UC3", "rgba8", "bgra8", "8UC4", "mono16", "16UC1")
ODD_ENCODINGS = ("", "rgb16", "32FC1", "bayer_rggb8", "yuv422", "no such", "8UC3 ", "é")

# Everything a backend may answer: it is not trusted either.
_ODD_VALUES = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1e-30, 1e30, 5.0, 63.5, 64.0, 65.0)


class Receiver:
    """Backend, outputs and log in one; what is published is kept."""

    name = "arbitrary"
    size_multiple = 1
    max_disparity = 64

    def __init__(self, values: list[float], output: OutputSettings) -> None:
        self.values = values
        self.published: dict[str, Any] = {}
        self.statistics = Statistics(10.0)
        self.errors: list[str] = []
        self.processor = FrameProcessor(
            StereoMatcher(self),
            self,
            self.statistics,
            FrameSettings(outputs=output),
            self,
            now_ns=lambda: 0,
            alive=lambda: True,
        )

    def infer(self, left: Any, right: Any, **_: Any) -> BackendAnswer:
        answer = np.resize(np.array(self.values, np.float32), left.shape[:2])
        return BackendAnswer(answer, np.resize(np.array([0.0, 0.5, 1.0], np.float32), left.shape[:2]))

    def close(self) -> None:
        """Nothing is held."""

    def wanted(self) -> frozenset[str]:
        return frozenset(outputs.TYPES)

    def publish(self, topic: str, message: Any) -> None:
        assert isinstance(message, outputs.TYPES[topic])
        assert topic not in self.published, f"{topic} twice for one set"
        self.published[topic] = message

    def info(self, _: str) -> None:
        """Nobody reads it."""

    def warning(self, text: str) -> None:
        assert text
        assert "\n" not in text, f"one line each: {text}"

    def error(self, text: str) -> None:
        self.errors.append(text)


def _check_depth(message: Image, largest: float) -> None:
    kind, unknown = (np.float32, None) if message.encoding == "32FC1" else (np.uint16, 0)
    values = np.frombuffer(message.data, kind).reshape(message.height, message.width)
    assert message.step == values.strides[0]
    known = values[np.isfinite(values)] if unknown is None else values[values != unknown] * 1e-3
    assert not np.isinf(values).any()
    assert ((known > 0) & (known <= largest + 1e-3)).all()


def _check_cloud(cloud: PointCloud2, depth: Image) -> None:
    """Its layout is what it says, and a point is either whole or unknown."""
    assert cloud.row_step == cloud.point_step * cloud.width
    assert len(cloud.data) == cloud.row_step * cloud.height
    assert {field.name: (field.offset, field.datatype, field.count) for field in cloud.fields} == {
        name: (offset, 7, 1) for name, offset in (("x", 0), ("y", 4), ("z", 8), ("rgb", 12))
    }
    assert (cloud.height, cloud.width) == (depth.height, depth.width)
    points = read_points(cloud)
    coordinates = np.stack([points[name] for name in "xyz"], axis=-1)
    finite = np.isfinite(coordinates)
    assert (finite.all(-1) == finite.any(-1)).all(), "points that are known in part"
    assert np.isnan(coordinates[~finite]).all(), "infinity is no coordinate"
    assert not (cloud.is_dense and not finite.all())
    assert (coordinates[..., 2][finite[..., 2]] > 0).all()


def _check_disparity(message: DisparityImage) -> None:
    picture = message.image
    values = np.frombuffer(picture.data, np.float32).reshape(picture.height, picture.width)
    assert picture.step == values.strides[0]
    assert np.isfinite(values).all()
    assert math.isfinite(message.f)
    assert message.f > 0
    assert message.t > 0
    assert message.max_disparity >= message.min_disparity >= 0
    valid = values[values >= message.min_disparity]
    # Interpolation may go beyond what was searched by a pixel (core/validity.py).
    assert (valid <= (message.max_disparity + 1.0) * (1 + 1e-6)).all()


def check(stereo: StereoSet, values: list[float], output: OutputSettings) -> str | None:
    """Processes the set in every way that can be wrong, and returns why it was dropped, or None."""
    receiver = Receiver(values, output)
    reason = receiver.processor.process(stereo)
    counts = receiver.statistics.values()
    dropped = {cause: int(counts[f"dropped_{cause}"]) for cause in DROP_CAUSES}
    assert int(counts["published"]) + sum(dropped.values()) == 1
    assert receiver.errors == [], "a fault of this package"
    assert dropped["internal_error"] == 0
    assert (reason is None) is (counts["published"] == "1")
    if reason is not None:
        assert receiver.published == {}
        return reason
    out = receiver.published
    assert {message.header.frame_id for message in out.values()} == {stereo.left.header.frame_id}
    _check_disparity(out[outputs.DISPARITY])
    _check_depth(out[outputs.DEPTH], output.max_depth)
    if output.cloud_stride == 1:
        _check_cloud(out[outputs.CLOUD], out[outputs.DEPTH])
    confidence = np.frombuffer(out[outputs.CONFIDENCE].data, np.float32)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    return None


# Messages that are right, to begin with.
def _good(draw: Callable[..., Any]) -> StereoSet:
    width, height = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from(HEIGHTS))
    encoding = draw(st.sampled_from(ENCODINGS))
    pixels = _pixels(width, height, encoding)
    infos = camera_info(width, height), camera_info(width, height, cx=CX_RIGHT, t=BASELINE)
    return StereoSet(image(pixels, encoding), image(pixels[:, ::-1], encoding), *infos)


def _pixels(width: int, height: int, encoding: str) -> np.ndarray:
    kind = np.uint16 if "16" in encoding else np.uint8
    channels = (
        4 if "a8" in encoding or encoding == "8UC4" else 1 if encoding in ENCODINGS[:2] or "16" in encoding else 3
    )
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, dtype=kind)


_SIZES = st.sampled_from([0, 1, 2, 31, 32, 33, 64, 65535, 2**32 - 1])
_NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, FOCAL, -FOCAL, 1e-300, 1e300, math.nan, math.inf]))


def _mar_image(draw: Callable[..., Any], message: Image) -> None:
    """One field of an image, replaced by anything of its type."""
    field = draw(st.sampled_from(["width", "height", "step", "encoding", "is_bigendian", "data", "frame"]))
    if field == "data":
        message.data = bytes(message.data)[: draw(st.integers(0, len(message.data)))]
    elif field == "encoding":
        message.encoding = draw(st.one_of(st.sampled_from(ENCODINGS + ODD_ENCODINGS), st.text(max_size=12)))
    elif field == "is_bigendian":
        message.is_bigendian = draw(st.integers(0, 255))
    elif field == "frame":
        message.header.frame_id = draw(st.text(max_size=5))
    else:
        setattr(message, field, draw(_SIZES))


def _mar_info(draw: Callable[..., Any], info: CameraInfo) -> None:
    """One field of a CameraInfo, replaced by anything of its type."""
    field = draw(st.sampled_from(["p", "width", "height", "binning_x", "binning_y", "roi"]))
    if field == "p":
        info.p[draw(st.integers(0, 11))] = draw(_NUMBERS)
    elif field == "roi":
        part = draw(st.sampled_from(["x_offset", "y_offset", "width", "height"]))
        setattr(info.roi, part, draw(_SIZES))
    else:
        setattr(info, field, draw(_SIZES))


@st.composite
def stereo_sets(draw: Callable[..., Any]) -> StereoSet:
    """A good set with up to four fields that are not."""
    stereo = _good(draw)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            _mar_image(draw, draw(st.sampled_from([stereo.left, stereo.right])))
        else:
            _mar_info(draw, draw(st.sampled_from([stereo.left_info, stereo.right_info])))
    return stereo


@st.composite
def output_settings(draw: Callable[..., Any]) -> OutputSettings:
    """All that a user may ask of the outputs."""
    return OutputSettings(
        min_depth=draw(st.sampled_from([0.0, 0.5])),
        max_depth=draw(st.sampled_from([1.0, 1000.0, 100000.0])),
        depth_encoding=draw(st.sampled_from(["32FC1", "16UC1"])),
        cloud_stride=draw(st.sampled_from([1, 1, 3, 16])),
    )


ANSWERS = st.lists(st.sampled_from(_ODD_VALUES), min_size=1, max_size=7)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(stereo=stereo_sets(), values=ANSWERS, output=output_settings())
def test_arbitrary_images_and_calibration(stereo: StereoSet, values: list[float], output: OutputSettings) -> None:
    check(stereo, values, output)


@settings(max_examples=100, deadline=None)
@given(projections=st.tuples(*[st.lists(_NUMBERS, min_size=12, max_size=12)] * 2), values=ANSWERS)
def test_arbitrary_projections(projections: tuple[list[float], list[float]], values: list[float]) -> None:
    pixels = _pixels(32, 32, "mono8")
    infos = [CameraInfo(width=32, height=32, p=p) for p in projections]
    check(StereoSet(image(pixels), image(pixels), *infos), values, OutputSettings())


@settings(max_examples=200, deadline=None)
@given(f=st.floats(1e-6, 1e6), cx=st.floats(-1e6, 1e6), t=st.floats(1e-6, 1e6), values=ANSWERS)
def test_calibrations_that_are_far_out_but_allowed(f: float, cx: float, t: float, values: list[float]) -> None:
    pixels = _pixels(32, 32, "mono8")
    infos = camera_info(32, 32, f=f), camera_info(32, 32, f=f, cx=cx, t=t)
    check(StereoSet(image(pixels), image(pixels), *infos), values, OutputSettings())


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=300), head=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), end=st.booleans()
)
def test_arbitrary_compressed_images(data: bytes, head: bytes, end: bool) -> None:
    tail = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82"}.get(head, b"") if end else b""
    broken = CompressedImage(format="jpeg", data=head + data + tail)
    infos = camera_info(32, 32), camera_info(32, 32, cx=CX_RIGHT, t=BASELINE)
    assert check(StereoSet(broken, broken, *infos), [5.0], OutputSettings()) is not None


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_right_is_published(encoding: str) -> None:
    pixels = _pixels(47, 40, encoding)
    infos = camera_info(47, 40), camera_info(47, 40, cx=CX_RIGHT, t=BASELINE)
    stereo = StereoSet(image(pixels, encoding), image(pixels, encoding), *infos)
    assert check(stereo, [5.0, math.nan], OutputSettings()) is None

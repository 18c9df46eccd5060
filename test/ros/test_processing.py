"""What becomes of one set, with a backend that does as it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ros_rig import CX_LEFT, CX_RIGHT, HEIGHT, WIDTH, good_frame

from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.settings import FrameSettings, OutputSettings
from ffstereo_ros.ros.statistics import Statistics
from ffstereo_ros.ros.synchronisation import StereoSet

ALL = frozenset(outputs.TYPES)
NO_CONFIDENCE = "confidence stays empty: backend told gives none; listen to another output, or use another backend"


class Port:
    """Backend, outputs and log in one: what is asked of each is written down.

    Attributes:
        answer: what the backend answers, or raises.
        reason: why the last set was not published.
    """

    name = "told"
    size_multiple = 1
    max_disparity = 64

    def __init__(self, answer: BackendAnswer | Exception, listened: frozenset[str] = ALL) -> None:
        self.answer = answer
        self.listened = listened
        self.frames = 0
        self.published: dict[str, Any] = {}
        self.lines: list[str] = []
        self.alive = True
        self.statistics = Statistics(10.0)
        self.info = self.warning = self.error = self.lines.append
        self.closed = 0
        self.processor = FrameProcessor(
            StereoMatcher(self),
            self,
            self.statistics,
            FrameSettings(),
            self,
            now_ns=lambda: 50_000_000,
            alive=lambda: self.alive,
        )  # type: ignore[arg-type]

    def infer(self, left: Any, right: Any, *, initial_disparity: Any = None) -> BackendAnswer:
        self.frames += 1
        self.warm = initial_disparity is not None
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.closed += 1

    def wanted(self) -> frozenset[str]:
        return self.listened

    def publish(self, topic: str, message: Any) -> None:
        self.published[topic] = message

    def process(self, *, asked: bool = False) -> dict[str, str]:
        frame = good_frame()
        stereo = StereoSet(frame.left, frame.right, frame.left_info, frame.right_info)
        self.reason = self.processor.process(stereo, asked=asked)
        return self.statistics.values()


def _answer(disparity: float = 10.0, confidence: bool = False) -> BackendAnswer:
    values = np.full((HEIGHT, WIDTH), disparity, np.float32)
    return BackendAnswer(values, np.ones_like(values) if confidence else None)


def test_every_output_of_a_backend_with_confidence() -> None:
    port = Port(_answer(confidence=True))
    assert port.process()["published"] == "1"
    assert set(port.published) == ALL
    assert port.statistics.values()["stamp_to_publish_max_ms"] == "50.00"


def test_confidence_that_is_wanted_in_vain_is_told_once() -> None:
    port = Port(_answer())
    port.process()
    port.process()
    assert set(port.published) == ALL - {outputs.CONFIDENCE}
    assert port.lines == [NO_CONFIDENCE]


@pytest.mark.parametrize("others", [frozenset(), frozenset({outputs.DEPTH_INFO})])
def test_a_set_of_which_nothing_can_be_sent_is_no_published_one(others: frozenset[str]) -> None:
    port = Port(_answer(), others | {outputs.CONFIDENCE})
    values = port.process()
    assert (values["published"], values["dropped_no_confidence"]) == ("0", "1")
    assert port.reason == port.statistics.recent_fault(3.0) == NO_CONFIDENCE
    assert set(port.published) == others
    port.answer = _answer(confidence=True)
    assert port.process()["published"] == "1"


def test_a_cloud_that_its_rate_holds_back_is_not_computed() -> None:
    port = Port(_answer(), frozenset({outputs.CLOUD}))
    port.processor.apply(FrameSettings(OutputSettings(cloud_rate=0.001)))
    port.process()
    values = port.process()
    assert (port.frames, values["published"], values["dropped_rate_limited"]) == (1, "1", "1")
    assert port.reason == "points2 is held back by cloud_rate = 0.001 Hz"
    port.published.clear()
    assert port.process(asked=True)["published"] == "2"
    assert (port.reason, set(port.published)) == (None, {outputs.CLOUD})
    assert port.process()["dropped_rate_limited"] == "2"
    port.listened = frozenset({outputs.CLOUD, outputs.DISPARITY})
    port.published.clear()
    assert port.process()["published"] == "3"
    assert set(port.published) == {outputs.DISPARITY}
    assert port.lines == []


def test_a_cloud_that_failed_is_not_counted_by_its_rate() -> None:
    port = Port(BackendError("out of memory"), frozenset({outputs.CLOUD}))
    port.processor.apply(FrameSettings(OutputSettings(cloud_rate=0.001)))
    port.process()
    port.answer = _answer()
    assert port.process()["published"] == "1"


def test_what_is_switched_off_is_told_once_with_its_parameter() -> None:
    port = Port(_answer(), frozenset({outputs.CLOUD}))
    port.processor.apply(FrameSettings(OutputSettings(switched_off=frozenset({outputs.CLOUD}))))
    port.process()
    values = port.process()
    assert (port.frames, values["dropped_switched_off"], values["dropped_no_subscriber"]) == (0, "2", "0")
    assert len(port.lines) == 1
    assert "points2 by publish_cloud = false" in port.lines[0]
    port.listened = frozenset()
    assert port.process()["dropped_no_subscriber"] == "1"
    assert port.lines[1:] == ["nobody listens to any output; nothing is computed until that changes"]


@pytest.mark.parametrize("topic", sorted(ALL - {outputs.DEPTH_INFO, outputs.CONFIDENCE}))
def test_only_what_is_listened_to(topic: str) -> None:
    port = Port(_answer(), frozenset({topic}))
    values = port.process()
    assert set(port.published) == {topic}
    assert ("geometry_p50_ms" in values) is (topic in (outputs.DEPTH, outputs.CLOUD))


@pytest.mark.parametrize("listened", [frozenset(), frozenset({outputs.DEPTH_INFO})])
def test_nothing_is_matched_for_nobody(listened: frozenset[str]) -> None:
    port = Port(_answer(), listened)
    assert port.process()["dropped_no_subscriber"] == "1"
    assert port.frames == 0


@pytest.mark.parametrize(
    ("error", "cause", "line"),
    [
        (BackendError("out of memory"), "backend_error", "frame dropped: out of memory"),
        (ZeroDivisionError("oops"), "internal_error", "a fault of this package: ZeroDivisionError: oops"),
    ],
)
def test_a_failing_backend_costs_one_frame(error: Exception, cause: str, line: str) -> None:
    port = Port(error)
    assert port.process()[f"dropped_{cause}"] == "1"
    assert line in port.lines[0]
    port.answer = _answer()
    assert port.process()["published"] == "1"


def test_a_failure_while_shutting_down_is_nobodys_fault() -> None:
    port = Port(RuntimeError("publisher's context is invalid"))
    port.alive = False
    assert port.process()["dropped_shutdown"] == "1"
    assert port.lines == []


@pytest.mark.parametrize(("share", "told"), [(0.01, False), (0.03, True)])
def test_negative_disparities_are_told_as_a_symptom(share: float, told: bool) -> None:
    answer = _answer()
    answer.disparity.ravel()[: int(share * WIDTH * HEIGHT)] = -3.0
    port = Port(answer, frozenset({outputs.DISPARITY}))
    port.process()
    assert any("--normalize-correlation" in line for line in port.lines) is told


def test_settings_take_effect_with_the_next_frame() -> None:
    port = Port(_answer())
    port.process()
    assert port.published[outputs.CLOUD].width == WIDTH
    port.published.clear()
    off = OutputSettings(depth_encoding="16UC1", cloud_stride=4, switched_off=frozenset({outputs.COLOUR}))
    port.processor.apply(FrameSettings(off, FilterSettings(roi_x=80)))
    assert "filter_region_p50_ms" in port.process()
    assert port.published[outputs.DEPTH].encoding == "16UC1"
    assert (port.published[outputs.CLOUD].width, port.published[outputs.CLOUD].height) == (WIDTH // 4, HEIGHT // 4)
    assert outputs.COLOUR not in port.published
    depth = np.frombuffer(port.published[outputs.DEPTH].data, np.uint16).reshape(HEIGHT, WIDTH)
    assert not depth[:, :80].any()
    assert depth[:, 80:].all()


@pytest.mark.parametrize("forget", ["clock", "filters", "matcher", None])
def test_what_makes_the_temporal_filter_begin_anew(forget: str | None) -> None:
    port = Port(_answer(10.0), frozenset({outputs.DISPARITY}))
    port.processor.apply(FrameSettings(filters=FilterSettings(temporal_weight=0.5)))
    port.process()
    port.answer = _answer(10.5)
    if forget == "clock":
        port.processor.forget()
    elif forget == "filters":
        port.processor.apply(FrameSettings(filters=FilterSettings(temporal_weight=0.5, speckle_size=3)))
    elif forget == "matcher":
        port.processor.exchange(StereoMatcher(port))
    else:
        port.processor.apply(FrameSettings(OutputSettings(cloud_stride=2), FilterSettings(temporal_weight=0.5)))
    port.process()
    values = np.frombuffer(port.published[outputs.DISPARITY].image.data, np.float32)
    assert values[0] - (CX_RIGHT - CX_LEFT) == (10.5 if forget else 10.25)


def test_an_exchanged_backend_is_freed_once() -> None:
    port, other = Port(_answer()), Port(_answer(20.0))
    port.processor.exchange(StereoMatcher(port, scale=0.5))  # the same backend
    assert port.closed == 0
    port.processor.exchange(StereoMatcher(other))
    assert (port.closed, other.closed) == (1, 0)
    assert port.process()["published"] == "1"
    assert other.frames == 1
    port.processor.close()
    assert (port.closed, other.closed) == (1, 1)


def test_why_a_set_was_not_published_is_returned() -> None:
    port = Port(BackendError("out of memory"))
    frame = good_frame()
    stereo = StereoSet(frame.left, frame.right, frame.left_info, frame.right_info)
    assert port.processor.process(stereo) == "out of memory"
    port.answer = _answer()
    assert port.processor.process(stereo) is None
    port.listened = frozenset()
    assert port.processor.process(stereo) == "nobody listens to any output"


def test_a_frame_that_ends_after_the_deactivation_is_not_published() -> None:
    port = Port(_answer())
    port.alive = False
    assert port.process()["dropped_shutdown"] == "1"
    assert port.published == {}


def test_a_warm_start_is_from_the_last_frame_of_the_same_matcher_and_clock() -> None:
    port = Port(_answer())
    warm = FrameSettings(warm_start=True)
    starts = []
    for between in (
        lambda: port.processor.apply(warm),
        lambda: None,
        port.processor.forget,
        lambda: port.processor.exchange(StereoMatcher(port)),
        lambda: None,
        lambda: port.processor.apply(FrameSettings()),
        lambda: None,
        lambda: port.processor.apply(warm),
    ):
        between()
        port.process()
        starts.append(port.warm)
    assert starts == [False, True, False, False, True, False, False, False]

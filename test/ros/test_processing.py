"""What becomes of one set, with a backend that does as it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ros_rig import HEIGHT, WIDTH, good_frame

from ffstereo_ros.core.matcher import BackendAnswer, StereoMatcher
from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.processing import FrameProcessor
from ffstereo_ros.ros.settings import FrameSettings
from ffstereo_ros.ros.statistics import Statistics
from ffstereo_ros.ros.synchronisation import StereoSet

ALL = frozenset(outputs.TYPES)


class Port:
    """Backend, outputs and log in one: what is asked of each is written down.

    Attributes:
        answer: what the backend answers, or raises.
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
        settings = FrameSettings()
        self.processor = FrameProcessor(
            StereoMatcher(self),
            self,
            self.statistics,
            settings,
            self,
            now_ns=lambda: 50_000_000,
            alive=lambda: self.alive,
        )  # type: ignore[arg-type]

    def infer(self, left: Any, right: Any, **_: Any) -> BackendAnswer:
        self.frames += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def wanted(self) -> frozenset[str]:
        return self.listened

    def publish(self, topic: str, message: Any) -> None:
        self.published[topic] = message

    def process(self) -> dict[str, str]:
        frame = good_frame()
        self.processor.process(StereoSet(frame.left, frame.right, frame.left_info, frame.right_info))
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
    assert port.lines == ["confidence stays empty: backend told gives none"]


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

"""Runs a matcher over every frame of a recording and judges the answers; memory does not grow with its length."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.filters.chain import FilterChain, FilterSettings
from ffstereo_ros.core.filters.left_right import match_right
from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.evaluation.bag_frames import StereoFrame
from ffstereo_ros.evaluation.bag_results import BagRun, FrameTable
from ffstereo_ros.evaluation.bag_truth import BagTruth
from ffstereo_ros.evaluation.bag_writer import ResultBag
from ffstereo_ros.evaluation.consistency import (
    FlickerMeter,
    coverage,
    left_right_agreement,
    plane_residual,
)
from ffstereo_ros.evaluation.evaluator import SceneStrip, judge_depth
from ffstereo_ros.evaluation.metrics import count_disparity
from ffstereo_ros.evaluation.page import Strip
from ffstereo_ros.evaluation.scenes import SceneData

Float32Array = NDArray[np.float32]


@dataclass
class BagJudge:
    """Takes frames one by one into a ``BagRun``.

    Attributes:
        matcher: what is judged.
        run: what it is judged into.
        table: the row for each frame.
        truth: or None.
        result_bag: or None.
        filters: what is taken out of every answer before it is judged; their time counts.
        left_right_every: the costly left-right check is made on every n-th frame; 0 = never.
        picture_every: a strip of pictures for every n-th frame.
    """

    matcher: StereoMatcher
    run: BagRun
    table: FrameTable
    truth: BagTruth | None = None
    result_bag: ResultBag | None = None
    filters: FilterSettings = field(default_factory=FilterSettings)
    left_right_every: int = 5
    picture_every: int = 10
    _flicker: FlickerMeter = field(default_factory=FlickerMeter)
    _first: int | None = None
    _seen: int = 0
    _limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self._chain = FilterChain(self.filters, self.matcher)

    def judge_all(self, frames: Iterable[StereoFrame], limit: int | None, on_frame: Callable[[BagRun], None]) -> None:
        """Every frame, or the first ``limit``; whatever stops it, the run is valid."""
        for frame in frames:
            self._judge(frame)
            on_frame(self.run)
            if limit is not None and self._seen >= limit:
                self.run.note(f"only the first {limit} pairs were asked for")
                break
        self.run.complete = True

    def _judge(self, frame: StereoFrame) -> None:
        number, self._seen = self._seen, self._seen + 1
        self._first = frame.stamp if self._first is None else self._first
        self.run.seconds = (frame.stamp - self._first) / 1e9
        self.run.note(frame.camera_trouble)
        try:
            began = time.perf_counter()
            result = self.matcher.match(frame.left, frame.right)
            result = self._chain.apply(result, frame.left, frame.right).result
            disparity = result.disparity  # comes from a device only now
            elapsed = time.perf_counter() - began
            row = self._consistency(frame, disparity, number)
        except FFStereoError as error:
            self.run.stream.refuse(str(error))
            return
        self.run.latency.add(elapsed)
        self.run.negative_percent.add(self.run.seconds, 100.0 * result.negative_fraction)
        truth = self._truth(frame)
        if truth is not None:
            row |= self._against(truth, frame, result)
        self._record(frame, row | {"match_ms": 1000 * elapsed})
        if number % self.picture_every == 0:
            self._picture(frame, disparity, truth)
        if self.result_bag is not None:
            self.result_bag.write(frame, result)

    def _consistency(self, frame: StereoFrame, disparity: Float32Array, number: int) -> dict[str, float]:
        row = {"coverage": coverage(disparity), "plane_px": plane_residual(disparity)}
        flicker = self._flicker.add(frame.left, disparity)
        if flicker is not None:
            row |= {"flicker_px": flicker.median_px, "jumps": flicker.jumps}
        if self.left_right_every and number % self.left_right_every == 0:
            backward = match_right(self.matcher, frame.left, frame.right)
            row["left_right"] = left_right_agreement(disparity, backward)
        return row

    def _truth(self, frame: StereoFrame) -> Float32Array | None:
        if self.truth is None:
            return None
        try:
            return self.truth.disparity(frame)
        except FFStereoError as error:
            self.run.note(str(error))
            return None
        finally:
            for note in self.truth.notes:
                self.run.note(note)

    def _against(self, truth: Float32Array, frame: StereoFrame, result: StereoResult) -> dict[str, float]:
        counts = count_disparity(result.disparity, truth)
        self.run.truth_frames += 1
        self.run.counts += counts
        if frame.camera is not None:
            self.run.depth.merge(judge_depth(result.disparity, truth, frame.camera))
        if result.confidence is not None:
            self.run.confidence.add(result.disparity, truth, result.confidence)
        figures = counts.over_all()
        return {"bad2": figures["bad2"], "epe": figures["epe"]}

    def _record(self, frame: StereoFrame, row: dict[str, float]) -> None:
        for name, value in row.items():
            self.run.series[name].add(self.run.seconds, value)
        self.table.add(frame.stamp, row)

    def _picture(self, frame: StereoFrame, disparity: Float32Array, truth: Float32Array | None) -> None:
        strip = SceneStrip(self._limits)
        strip.add(self.matcher.backend.name, SceneData(frame.left, frame.right, truth, None, frame.camera), disparity)
        self._limits = strip.limits
        self.run.strips.append(Strip(f"{self.run.seconds:.2f} s", f"stamp {frame.stamp / 1e9:.6f} s", strip.tiles))

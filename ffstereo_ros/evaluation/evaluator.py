"""Runs every contender over every scene and judges the answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.filters.chain import FilterChain, FilterSettings
from ffstereo_ros.core.filters.left_right import match_right
from ffstereo_ros.core.geometry import depth_from_disparity
from ffstereo_ros.core.matcher import StereoMatcher, StereoResult
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.evaluation.consistency import coverage, left_right_agreement, plane_residual
from ffstereo_ros.evaluation.metrics import DepthByRange, count_disparity
from ffstereo_ros.evaluation.pictures import disparity_picture, disparity_range, error_picture, photograph
from ffstereo_ros.evaluation.results import ContenderResult, Run, SceneResult, Tile
from ffstereo_ros.evaluation.scenes import Scene, SceneData
from ffstereo_ros.evaluation.sparsification import Sparsification

Float32Array = NDArray[np.float32]
DEFAULT_MAX_DISPARITY = 192


@dataclass
class Contender:
    """A method under test; builds its matchers when asked and keeps the last one.

    Attributes:
        label: what it is called in tables.
        create: from a maximum disparity in model px to a matcher and the line that describes it.
        step: its maximum disparity must be a multiple of this, model px.
        limit: the largest it can be, a multiple of ``step``, model px; None = any.
    """

    label: str
    create: Callable[[int], tuple[StereoMatcher, str]]
    step: int = 32
    limit: int | None = None
    _last: tuple[int, StereoMatcher, str] | None = field(default=None, repr=False)

    def matcher(self, max_disparity: int) -> tuple[StereoMatcher, str]:
        """The matcher for a maximum disparity in model px (those of the scaled image), rounded up to ``step``.

        Raises:
            FFStereoError: it cannot run here, or not with this maximum.
        """
        wanted = -(-max_disparity // self.step) * self.step
        if self._last is None or self._last[0] != wanted:
            self.close()
            self._last = (wanted, *self.create(wanted))
        return self._last[1], self._last[2]

    def reaching(self, disparity: int) -> tuple[StereoMatcher, str]:
        """The matcher that finds disparities up to ``disparity`` px of the left image, as far as ``limit`` lets it.

        Raises:
            FFStereoError: it cannot run here.
        """
        known = self._last[1] if self._last is not None else self.matcher(DEFAULT_MAX_DISPARITY)[0]
        wanted = max(1, math.ceil(disparity * known.scale / self.step - 1e-9)) * self.step
        return self.matcher(wanted if self.limit is None else min(wanted, self.limit))

    def close(self) -> None:
        """Frees the matcher it keeps."""
        if self._last is not None:
            self._last[1].backend.close()
            self._last = None


@dataclass(frozen=True)
class EvaluatorSettings:
    """How scenes are run.

    Attributes:
        max_disparity: model px, the same for every scene; None = each scene's own (published, or the truth's largest
            + 1), which is px of the left image.
        repeats: matches of each scene; the first gives the answer, the median of all the time.
        consistency: also match the right image, for the left-right agreement. Costs one more match.
        pictures: scenes with pictures in the report; the others have figures only.
        filters: what is taken out of every answer before it is judged; their time counts.
    """

    max_disparity: int | None = DEFAULT_MAX_DISPARITY
    repeats: int = 1
    consistency: bool = True
    pictures: int = 200
    filters: FilterSettings = field(default_factory=FilterSettings)


def evaluate(
    scenes: Iterable[Scene],
    contenders: list[Contender],
    settings: EvaluatorSettings,
    run: Run,
    on_progress: Callable[[SceneResult, str], None],
) -> None:
    """Fills ``run`` scene by scene; whatever stops it, what is in there is valid.

    Args:
        on_progress: told each result and its contender's label.
    """
    results = {result.label: result for result in run.contenders}
    for number, scene in enumerate(scenes):
        strips = SceneStrip() if number < settings.pictures else None
        data = _load(scene)
        judged = [
            _judge(scene, data, contender, settings, results[contender.label], strips) for contender in contenders
        ]
        # Not one by one: whenever Ctrl-C comes, the contenders' means are over the same scenes.
        for contender, result in zip(contenders, judged):
            results[contender.label].add(result)
        for contender, result in zip(contenders, judged):
            on_progress(result, contender.label)
        if strips is not None and strips.tiles:
            run.tiles[scene.name] = strips.tiles
    run.complete = True


def own_max_disparity(data: SceneData) -> int:
    """The scene's published bound, else the truth's largest value + 1 px, else 192 px; all px of the left image."""
    if data.max_disparity is not None:
        return data.max_disparity
    if data.truth is not None and np.isfinite(data.truth).any():
        return int(np.ceil(np.nanmax(data.truth) + 1))
    return DEFAULT_MAX_DISPARITY


@dataclass
class SceneStrip:
    """The pictures of one scene: left and truth once, then disparity and error of each contender.

    Attributes:
        limits: of the colours, px; None = taken from the first disparity.
        tiles: the pictures so far.
    """

    limits: tuple[float, float] | None = None
    tiles: list[Tile] = field(default_factory=list)

    def add(self, label: str, data: SceneData, disparity: Float32Array) -> None:
        """Adds a contender's answer ``[H, W]`` px."""
        if not self.tiles:
            self.limits = self.limits or disparity_range(data.truth, disparity)
            self.tiles.append(Tile("left image", photograph(data.left)))
            if data.truth is not None:
                self.tiles.append(Tile("truth", self._picture(data.truth)))
        self.tiles.append(Tile(f"{label}: disparity", self._picture(disparity)))
        if data.truth is not None:
            self.tiles.append(Tile(f"{label}: error", error_picture(disparity, data.truth)))

    def _picture(self, disparity: Float32Array) -> str:
        low, high = self.limits or disparity_range(disparity)
        return disparity_picture(disparity, low=low, high=high)


def _load(scene: Scene) -> SceneData | str:
    """The scene, or in one line why it cannot be read."""
    try:
        return scene.load()
    except FFStereoError as error:
        return str(error)


def _judge(
    scene: Scene,
    data: SceneData | str,
    contender: Contender,
    settings: EvaluatorSettings,
    so_far: ContenderResult,
    strip: SceneStrip | None,
) -> SceneResult:
    """One scene by one contender; a refusal is a result too."""
    result = SceneResult(scene.name, scene.group)
    if isinstance(data, str):
        result.failed = data
        return result
    result.height, result.width = data.left.shape[:2]
    try:
        matcher, so_far.description, result.note = _matcher_for(contender, settings, data)
        answer = _timed_match(matcher, data, settings, result)
        if settings.consistency:
            backward = match_right(matcher, data.left, data.right)
            result.consistency["left_right"] = left_right_agreement(answer.disparity, backward)
    except FFStereoError as error:
        result.failed = str(error)
        return result
    _fill(result, data, answer)
    if strip is not None:
        strip.add(contender.label, data, answer.disparity)
    return result


def _matcher_for(contender: Contender, settings: EvaluatorSettings, data: SceneData) -> tuple[StereoMatcher, str, str]:
    """The matcher, its description, and a note where it does not reach what the scene needs."""
    if settings.max_disparity is not None:
        return *contender.matcher(settings.max_disparity), ""
    own = own_max_disparity(data)
    matcher, description = contender.reaching(own)
    if matcher.max_disparity >= own:
        return matcher, description, ""
    searched = f"{matcher.backend.max_disparity} px at scale {matcher.scale:g}"
    note = f"disparities up to {own} px wanted, {matcher.max_disparity:.0f} px searched ({searched} is the most)"
    return matcher, description, note


def _timed_match(
    matcher: StereoMatcher, data: SceneData, settings: EvaluatorSettings, result: SceneResult
) -> StereoResult:
    times, inside = [], []
    answer = None
    for _ in range(max(settings.repeats, 1)):
        chain = FilterChain(settings.filters, matcher)  # a new one each time: scenes have no past
        began = time.perf_counter()
        latest = chain.apply(matcher.match(data.left, data.right), data.left, data.right).result
        _ = latest.disparity  # comes from a device only now
        times.append(time.perf_counter() - began)
        inside.append(latest.infer_seconds)
        answer = answer or latest
    assert answer is not None
    result.match_ms, result.infer_ms = 1000 * float(np.median(times)), 1000 * float(np.median(inside))
    return answer


def _fill(result: SceneResult, data: SceneData, answer: StereoResult) -> None:
    disparity = answer.disparity
    result.max_disparity = answer.max_disparity
    result.negative_percent = 100.0 * answer.negative_fraction
    result.note = "; ".join(filter(None, (result.note, data.camera_trouble)))
    result.consistency |= {"coverage": coverage(disparity), "plane_px": plane_residual(disparity)}
    if data.truth is None:
        return
    counts = count_disparity(disparity, data.truth)
    if not counts.pixels:
        result.note = "; ".join(filter(None, (result.note, "no truth: every pixel of it is unknown")))
        return
    result.counts = counts
    if data.visible is not None:
        visible = count_disparity(disparity, data.truth, data.visible)
        result.visible = visible if visible.pixels else None
    if data.camera is not None:
        result.depth = judge_depth(disparity, data.truth, data.camera)
    if answer.confidence is not None:
        result.confidence = Sparsification().add(disparity, data.truth, answer.confidence)


def judge_depth(disparity: Float32Array, truth: Float32Array, camera: StereoCamera) -> DepthByRange:
    """Depth errors of one frame: both disparities ``[H, W]`` px become depths by the same camera."""
    depth, true_depth = depth_from_disparity(disparity, camera), depth_from_disparity(truth, camera)
    return DepthByRange().add(depth, true_depth, disparity, truth)

"""A camera that stands still before a scene with truth: what a start from the last frame is worth there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.core.warm_start import WarmStart
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.evaluation.metrics import Figures, count_disparity, mean_figures
from ffstereo_ros.evaluation.scenes import Scene, SceneData

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Pair = tuple[Uint8Image, Uint8Image]

# The first frames from the last one have little to start from; they are matched, and not judged.
SETTLING = 5
_SEED = 0


@dataclass
class WarmFigures:
    """Figures over all truth pixels of the frames after the first five (bad in %, EPE in px), a row for each scene.

    Attributes:
        cold, warm: each frame from nothing; each from the last.
        cold_seconds, warm_seconds: time of each match, s.
    """

    cold: list[Figures] = field(default_factory=list)
    warm: list[Figures] = field(default_factory=list)
    cold_seconds: list[float] = field(default_factory=list)
    warm_seconds: list[float] = field(default_factory=list)


def noisy_frames(data: SceneData, count: int, noise: float) -> Iterator[Pair]:
    """``count`` frames of a scene that differ in what the sensor adds.

    Args:
        noise: standard deviation of the Gaussian noise of each pixel, grey levels of 255; the images' own stays.

    Yields:
        Left and right, uint8 ``[H, W, 3]`` RGB; the same ones at every call.
    """
    random = np.random.default_rng(_SEED)
    for _ in range(count):
        yield _noisy(data.left, noise, random), _noisy(data.right, noise, random)


def _noisy(image: Uint8Image, noise: float, random: np.random.Generator) -> Uint8Image:
    added = random.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
    return np.asarray(np.clip(np.rint(image + added), 0, 255), dtype=np.uint8)


def measure_scene(matcher: StereoMatcher, scene: Scene, frames: int, noise: float, figures: WarmFigures) -> None:
    """Adds one scene to ``figures``; one without truth adds nothing.

    Raises:
        ParameterError: fewer frames than it takes to settle, or negative noise.
        InputFileError: a file of the scene is missing or damaged.
        BackendError: a frame could not be matched.
    """
    if frames <= SETTLING or noise < 0:
        raise ParameterError(
            f"{frames} frames with noise of {noise:g} grey levels: more than {SETTLING} and at least 0 are needed"
        )
    data = scene.load()
    if data.truth is None:
        return
    pairs = list(noisy_frames(data, frames, noise))
    warm_start = WarmStart()
    for pair in pairs[:SETTLING]:
        warm_start.match(matcher, *pair)
    cold, warm = [], []
    for left, right in pairs[SETTLING:]:  # in turn, so that what disturbs one disturbs the other
        began = time.perf_counter()
        cold.append(matcher.match(left, right).disparity)
        between = time.perf_counter()
        warm.append(warm_start.match(matcher, left, right).disparity)
        figures.cold_seconds.append(between - began)
        figures.warm_seconds.append(time.perf_counter() - between)
    figures.cold.append(_judge(cold, data.truth))
    figures.warm.append(_judge(warm, data.truth))


def _judge(answers: Sequence[Float32Array], truth: Float32Array) -> Figures:
    return mean_figures([count_disparity(answer, truth).over_all() for answer in answers])

"""How far the published disparity and depth are from the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.geometry import depth_from_disparity
from ffstereo_ros.demo.motorcycle import KnownPair
from ffstereo_ros.evaluation.metrics import count_disparity

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """Errors of one frame.

    Attributes:
        answered: truth pixels that got an answer, %.
        bad2: truth pixels whose error exceeds 2 px or that got no answer, %.
        epe: mean absolute disparity error over the answered truth pixels, px.
        depth_median, depth_p95: absolute depth error over the truth pixels with a depth, mm.
    """

    answered: float
    bad2: float
    epe: float
    depth_median: float
    depth_p95: float


def judge(disparity: Float32Array, depth: Float32Array, pair: KnownPair) -> Scores:
    """Compares one answer with the truth; occluded pixels count like all others.

    Args:
        disparity: ``[H, W]`` px of the left image, NaN = unknown.
        depth: ``[H, W]`` m, NaN = unknown.
    """
    counts = count_disparity(disparity, pair.truth)
    errors = 1000 * np.abs(depth - depth_from_disparity(pair.truth, pair.camera))
    errors = errors[np.isfinite(errors)]
    median, p95 = np.percentile(errors, (50, 95)) if errors.size else (np.nan, np.nan)
    return Scores(
        answered=counts.over_all()["density"],
        bad2=counts.over_all()["bad2"],
        epe=counts.over_answered()["epe"],
        depth_median=float(median),
        depth_p95=float(p95),
    )


def disparity_error(disparity: Float32Array, pair: KnownPair) -> Float32Array:
    """Absolute error ``[H, W]`` px, NaN where the truth or the answer is unknown."""
    return np.asarray(np.abs(disparity - pair.truth), dtype=np.float32)

"""Error figures of disparity and depth, as sums that add up over frames: a scene, a data set or a day-long bag.

Every truth pixel counts. ``all``: an unknown answer is bad in every threshold, and for the mean error it counts as an
answer of 0 px, so that its error is the true disparity; silence never pays. ``answered``: known answers only, to be
read together with the density. ``visible``: as ``all``, over truth pixels that both cameras see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Figures = dict[str, float]

# Scharstein and Szeliski (IJCV 2002) and the Middlebury table: bad N = share of pixels with |d - truth| > N px.
BAD_THRESHOLDS: dict[str, float] = {"bad05": 0.5, "bad1": 1.0, "bad2": 2.0, "bad3": 3.0}
DISPARITY_FIGURES = (*BAD_THRESHOLDS, "d1", "epe", "density")

# Menze and Geiger (CVPR 2015) and KITTI's devkit: an outlier is off by more than 3 px and by more than 5 %.
_D1_PIXELS, _D1_SHARE = 3.0, 0.05

# Robots care for the near metres in detail and the far ones in bulk.
DEPTH_EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, float("inf"))


@dataclass(frozen=True)
class DisparityCounts:
    """Sums over truth pixels.

    Attributes:
        pixels: truth pixels.
        answered: those with an answer.
        bad: answered pixels beyond each threshold, in the order of ``BAD_THRESHOLDS``.
        outliers: answered pixels that are outliers by D1.
        error: sum of |d - truth| over answered pixels, px.
        unanswered_truth: sum of the truth over unanswered pixels, px.
    """

    pixels: int = 0
    answered: int = 0
    bad: tuple[int, ...] = (0,) * len(BAD_THRESHOLDS)
    outliers: int = 0
    error: float = 0.0
    unanswered_truth: float = 0.0

    def __add__(self, other: DisparityCounts) -> DisparityCounts:
        return DisparityCounts(
            self.pixels + other.pixels,
            self.answered + other.answered,
            tuple(a + b for a, b in zip(self.bad, other.bad)),
            self.outliers + other.outliers,
            self.error + other.error,
            self.unanswered_truth + other.unanswered_truth,
        )

    def over_all(self) -> Figures:
        """Figures over every truth pixel: bad and D1 in %, EPE in px, density in %; NaN without truth."""
        unknown = self.pixels - self.answered
        shares = [_percent(count + unknown, self.pixels) for count in (*self.bad, self.outliers)]
        epe = _ratio(self.error + self.unanswered_truth, self.pixels)
        return dict(zip(DISPARITY_FIGURES, (*shares, epe, _percent(self.answered, self.pixels))))

    def over_answered(self) -> Figures:
        """Figures over the answered truth pixels only; the density is still the share of all."""
        shares = [_percent(count, self.answered) for count in (*self.bad, self.outliers)]
        epe = _ratio(self.error, self.answered)
        return dict(zip(DISPARITY_FIGURES, (*shares, epe, _percent(self.answered, self.pixels))))


def count_disparity(disparity: Float32Array, truth: Float32Array, among: BoolArray | None = None) -> DisparityCounts:
    """Compares two disparities.

    Args:
        disparity: ``[H, W]`` px, NaN = unknown.
        truth: ``[H, W]`` px, NaN = no truth.
        among: bool ``[H, W]``; only these pixels are judged. None = all with truth.
    """
    judged = np.isfinite(truth) if among is None else np.isfinite(truth) & among
    wanted = truth[judged].astype(np.float64)
    given = disparity[judged].astype(np.float64)
    known = np.isfinite(given)
    error, answered_truth = np.abs(given[known] - wanted[known]), wanted[known]
    outlier = (error > _D1_PIXELS) & (error > _D1_SHARE * np.abs(answered_truth))
    return DisparityCounts(
        pixels=int(wanted.size),
        answered=int(known.sum()),
        bad=tuple(int((error > threshold).sum()) for threshold in BAD_THRESHOLDS.values()),
        outliers=int(outlier.sum()),
        error=float(error.sum()),
        unanswered_truth=float(np.abs(wanted[~known]).sum()),
    )


def _bins() -> NDArray[np.float64]:
    return np.zeros(len(DEPTH_EDGES) - 1)


@dataclass
class DepthByRange:
    """Depth errors by true depth, ranges between neighbouring ``DEPTH_EDGES`` in m.

    MAE = mean |Z - Z_true| in m; AbsRel = mean |Z - Z_true| / Z_true in % (Eigen et al., NIPS 2014), both over
    answered pixels; bad2 by range over all truth pixels, unknown counted as bad.

    Attributes:
        pixels, answered: ``[bins]`` truth pixels, and those with a depth.
        error: ``[bins]`` sum of |Z - Z_true|, m.
        relative: ``[bins]`` sum of |Z - Z_true| / Z_true.
        bad2: ``[bins]`` truth pixels unknown or off by more than 2 px of disparity.
    """

    pixels: NDArray[np.float64] = field(default_factory=_bins)
    answered: NDArray[np.float64] = field(default_factory=_bins)
    error: NDArray[np.float64] = field(default_factory=_bins)
    relative: NDArray[np.float64] = field(default_factory=_bins)
    bad2: NDArray[np.float64] = field(default_factory=_bins)

    def add(
        self, depth: Float32Array, true_depth: Float32Array, disparity: Float32Array, truth: Float32Array
    ) -> DepthByRange:
        """Adds one frame (depths ``[H, W]`` m, disparities ``[H, W]`` px, NaN = unknown) and returns itself."""
        judged = np.isfinite(true_depth)
        wanted, given = true_depth[judged].astype(np.float64), depth[judged].astype(np.float64)
        with np.errstate(invalid="ignore"):
            good = np.abs(disparity[judged] - truth[judged]) <= BAD_THRESHOLDS["bad2"]
        index = np.digitize(wanted, DEPTH_EDGES[1:-1])
        known = np.isfinite(given)
        error = np.abs(given[known] - wanted[known])
        self.pixels += _sum(index)
        self.answered += _sum(index[known])
        self.error += _sum(index[known], error)
        self.relative += _sum(index[known], error / wanted[known])
        self.bad2 += _sum(index[~good])
        return self

    def merge(self, other: DepthByRange) -> None:
        """Adds another's sums to its own."""
        for name in ("pixels", "answered", "error", "relative", "bad2"):
            getattr(self, name).__iadd__(getattr(other, name))

    def overall(self) -> Figures:
        """MAE (m) and AbsRel (%) over all ranges; NaN where nothing was answered."""
        answered = float(self.answered.sum())
        return {
            "mae_m": _ratio(float(self.error.sum()), answered),
            "abs_rel": 100.0 * _ratio(float(self.relative.sum()), answered),
        }

    def by_range(self) -> list[Figures]:
        """One row for each range that has truth: from_m, to_m, pixels, density, mae_m, abs_rel, bad2."""
        rows = []
        for index, (low, high) in enumerate(pairwise(DEPTH_EDGES)):
            pixels, answered = float(self.pixels[index]), float(self.answered[index])
            if pixels:
                rows.append(
                    {
                        "from_m": low,
                        "to_m": high,
                        "pixels": pixels,
                        "density": _percent(answered, pixels),
                        "mae_m": _ratio(float(self.error[index]), answered),
                        "abs_rel": 100.0 * _ratio(float(self.relative[index]), answered),
                        "bad2": _percent(float(self.bad2[index]), pixels),
                    }
                )
        return rows


def mean_figures(rows: list[Figures]) -> Figures:
    """The mean of each figure over scenes, every scene weighing the same; NaN values are left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean([row[name] for row in rows if name in row and np.isfinite(row[name])]) for name in names}


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _sum(index: NDArray[np.intp], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    return np.bincount(index, weights, minlength=len(DEPTH_EDGES) - 1).astype(np.float64)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _percent(part: float, whole: float) -> float:
    return 100.0 * _ratio(part, whole)

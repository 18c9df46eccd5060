"""Does the confidence know where the disparity is wrong? Judged by sparsification curves.

Ilg et al., Uncertainty Estimates and Multi-Hypotheses Networks for Optical Flow (ECCV 2018): remove the least
confident pixels step by step and watch the mean error of the rest. The oracle removes the largest errors first. Both
curves are divided by the error of all pixels; the area between them is AUSE: 0 is perfect, and a confidence that knows
nothing stays at 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Curve = NDArray[np.float64]

# Shares of pixels removed. The last 2 % are a handful of pixels in a small scene and say nothing.
REMOVED = np.linspace(0.0, 0.98, 50)
# Confidence bins of the reliability bars.
CONFIDENCE_EDGES = np.linspace(0.0, 1.0, 11)


@dataclass
class Sparsification:
    """Curves averaged over frames, every frame weighing the same, and errors by confidence.

    Attributes:
        frames: how many were added.
        by_confidence, by_oracle: ``[50]`` sums over frames of the relative error left at each of ``REMOVED``.
        pixels: ``[10]`` answered truth pixels in each confidence bin.
        error: ``[10]`` sum of their |d - truth|, px.
        bad2: ``[10]`` those off by more than 2 px.
    """

    frames: int = 0
    by_confidence: Curve = field(default_factory=lambda: np.zeros(REMOVED.size))
    by_oracle: Curve = field(default_factory=lambda: np.zeros(REMOVED.size))
    pixels: Curve = field(default_factory=lambda: np.zeros(CONFIDENCE_EDGES.size - 1))
    error: Curve = field(default_factory=lambda: np.zeros(CONFIDENCE_EDGES.size - 1))
    bad2: Curve = field(default_factory=lambda: np.zeros(CONFIDENCE_EDGES.size - 1))

    def add(self, disparity: Float32Array, truth: Float32Array, confidence: Float32Array) -> Sparsification:
        """Adds one frame (all ``[H, W]``) over its answered truth pixels; a frame without any changes nothing."""
        judged = np.isfinite(truth) & np.isfinite(disparity) & np.isfinite(confidence)
        error = np.abs(disparity[judged] - truth[judged]).astype(np.float64)
        sure = confidence[judged].astype(np.float64)
        if error.size == 0:
            return self
        self.frames += 1
        self.by_confidence += relative_curve(error, sure)
        self.by_oracle += relative_curve(error, -error)
        index = np.clip(np.digitize(sure, CONFIDENCE_EDGES[1:-1]), 0, self.pixels.size - 1)
        self.pixels += np.bincount(index, minlength=self.pixels.size)
        self.error += np.bincount(index, error, minlength=self.pixels.size)
        self.bad2 += np.bincount(index[error > 2.0], minlength=self.pixels.size)
        return self

    def merge(self, other: Sparsification) -> None:
        """Adds another's frames to its own."""
        self.frames += other.frames
        for name in ("by_confidence", "by_oracle", "pixels", "error", "bad2"):
            getattr(self, name).__iadd__(getattr(other, name))

    def ause(self) -> float:
        """Area between the two mean curves, relative error times share removed; NaN without frames."""
        if not self.frames:
            return float("nan")
        gap = self.by_confidence - self.by_oracle
        return float(np.sum((gap[1:] + gap[:-1]) / 2 * np.diff(REMOVED))) / self.frames

    def as_dict(self) -> dict[str, object]:
        """For ``metrics.json``."""
        frames = max(self.frames, 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            epe, bad2 = self.error / self.pixels, 100.0 * self.bad2 / self.pixels
        return {
            "ause": self.ause(),
            "frames": self.frames,
            "removed": REMOVED.round(4).tolist(),
            "left_by_confidence": (self.by_confidence / frames).round(5).tolist(),
            "left_by_oracle": (self.by_oracle / frames).round(5).tolist(),
            "bin_edges": CONFIDENCE_EDGES.round(3).tolist(),
            "bin_pixels": self.pixels.tolist(),
            "bin_epe": epe.tolist(),
            "bin_bad2": bad2.tolist(),
        }


def relative_curve(error: Curve, keep_last: Curve) -> Curve:
    """Mean error left, relative to that of all, after removing each share of ``REMOVED`` in the order of ``keep_last``.

    Args:
        error: ``[N]`` px.
        keep_last: ``[N]``; the smallest goes first. Equal values are removed in the order of the pixels.
    """
    order = np.argsort(keep_last, kind="stable")
    left_sum = np.cumsum(error[order][::-1])[::-1]
    first = np.minimum((REMOVED * error.size).astype(np.intp), error.size - 1)
    mean_all = left_sum[0] / error.size
    if mean_all == 0:
        return np.ones(REMOVED.size)
    return np.asarray(left_sum[first] / (error.size - first) / mean_all)

from __future__ import annotations

import math

import numpy as np
import pytest

from ffstereo_ros.evaluation.timing import LatencyHistogram


def test_percentiles_are_within_one_per_cent_and_memory_does_not_grow():
    times = np.random.default_rng(2).lognormal(-3, 0.7, 5000)
    histogram = LatencyHistogram()
    before = histogram.counts.nbytes
    for seconds in times:
        histogram.add(float(seconds))
    for share in (50, 95):
        assert histogram.percentile(share) == pytest.approx(np.percentile(times, share), rel=0.015)  # worst 1.0 % seen
    figures = histogram.as_dict()
    assert figures["frames"] == 5000
    assert figures["max_ms"] == pytest.approx(1000 * times.max(), abs=1e-3)
    assert figures["mean_ms"] == pytest.approx(1000 * times.mean(), abs=1e-3)
    assert histogram.counts.nbytes == before


def test_the_extremes_are_counted_too():
    histogram = LatencyHistogram()
    histogram.add(0.0)
    histogram.add(1e6)
    assert histogram.frames == 2
    assert histogram.percentile(100) <= 1e6


def test_bars_hold_every_frame():
    histogram = LatencyHistogram()
    for seconds in (0.01, 0.02, 0.02, 0.5):
        histogram.add(seconds)
    edges, counts = histogram.bars()
    assert counts.sum() == 4
    assert edges[0] <= 10 <= 500 <= edges[-1]
    assert len(edges) == len(counts) + 1


def test_nothing_measured_is_not_zero():
    assert math.isnan(LatencyHistogram().percentile(50))

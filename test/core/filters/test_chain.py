"""The chain runs what is switched on, in its order, and leaves a result that agrees with itself."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffstereo_ros.core.filters.chain import FILTER_NAMES, FilterChain, FilterSettings
from ffstereo_ros.core.matcher import BackendAnswer, HostResult, StereoMatcher
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.params import defaults

SHAPE = (40, 60)
IMAGE = np.zeros((*SHAPE, 3), np.uint8)
EVERY = FilterSettings(
    roi_x=5,
    left_band_filter=True,
    confidence_threshold=0.2,
    left_right_tolerance=1.0,
    flying_pixel_threshold=3.0,
    speckle_size=4,
    temporal_weight=0.5,
)


class RightView:
    """Answers the mirrored pair with a constant."""

    name = "right"
    size_multiple = 1
    max_disparity = 64

    def __init__(self, disparity: float = 4.0) -> None:
        self.calls = 0
        self._disparity = disparity

    def describe(self) -> str:
        return self.name

    def infer(self, left: Any, right: Any, **_: Any) -> BackendAnswer:
        self.calls += 1
        return BackendAnswer(np.full(left.shape[:2], self._disparity, np.float32))

    def close(self) -> None:
        pass


def _result(disparity: np.ndarray | float = 4.0, confidence: float | None = 0.5) -> HostResult:
    values = np.full(SHAPE, disparity, np.float32) if np.isscalar(disparity) else disparity
    sure = None if confidence is None else np.full(SHAPE, confidence, np.float32)
    return HostResult(values, sure, values, 64.0, 0.0, 0.0)


def _chain(settings: FilterSettings, backend: RightView | None = None) -> FilterChain:
    return FilterChain(settings, StereoMatcher(backend or RightView()))


def test_by_default_every_filter_is_off_and_the_result_is_handed_back() -> None:
    chain, result = _chain(FilterSettings()), _result()
    assert chain.names == ()
    assert chain.apply(result, IMAGE, IMAGE).result is result
    assert FilterSettings.from_parameters(defaults()) == FilterSettings()


def test_every_filter_in_its_order_with_its_time() -> None:
    filtered = _chain(EVERY).apply(_result(), IMAGE, IMAGE)
    assert tuple(filtered.seconds) == FILTER_NAMES
    assert all(seconds >= 0 for seconds in filtered.seconds.values())
    np.testing.assert_array_equal(np.isfinite(filtered.result.disparity).any(axis=0), np.arange(60) >= 5)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"roi_width": 9}, "region"),
        ({"left_band_filter": True}, "left_band"),
        ({"confidence_threshold": 0.6}, "confidence"),
        ({"left_right_tolerance": 0.1}, "left_right"),
        ({"flying_pixel_threshold": 1.0}, "flying_pixels"),
        ({"speckle_size": 9}, "speckle"),
        ({"temporal_weight": 0.5}, "temporal"),
    ],
)
def test_each_is_switched_on_alone(changes: dict[str, Any], name: str) -> None:
    assert _chain(FilterSettings(**changes)).names == (name,)


def test_only_the_left_right_filter_asks_for_the_right_view() -> None:
    backend = RightView(disparity=9.0)
    _chain(FilterSettings(left_band_filter=True), backend).apply(_result(), IMAGE, IMAGE)
    assert backend.calls == 0
    filtered = _chain(FilterSettings(left_right_tolerance=1.0), backend).apply(_result(), IMAGE, IMAGE)
    assert backend.calls == 1
    assert np.isnan(filtered.result.disparity).all()  # 4 px here, 9 px there


def test_what_is_taken_out_has_no_confidence_and_the_raw_answer_stays() -> None:
    result = _result()
    filtered = _chain(FilterSettings(left_band_filter=True)).apply(result, IMAGE, IMAGE).result
    assert filtered.confidence is not None
    np.testing.assert_array_equal(filtered.confidence == 0, np.isnan(filtered.disparity))
    assert np.isfinite(result.disparity).all()
    assert filtered.raw_disparity is result.raw_disparity


def test_a_backend_without_confidence_is_left_alone() -> None:
    filtered = _chain(FilterSettings(confidence_threshold=0.9)).apply(_result(confidence=None), IMAGE, IMAGE).result
    assert filtered.confidence is None
    assert np.isfinite(filtered.disparity).all()


def test_reset_forgets_the_last_frame() -> None:
    chain = _chain(FilterSettings(temporal_weight=0.5))
    chain.apply(_result(4.0), IMAGE, IMAGE)
    assert (chain.apply(_result(5.0), IMAGE, IMAGE).result.disparity == 4.5).all()
    chain.reset()
    assert (chain.apply(_result(5.0), IMAGE, IMAGE).result.disparity == 5.0).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_filters_only_take_away(seed: int) -> None:
    rng = np.random.default_rng(seed)
    disparity = rng.uniform(0, 64, SHAPE).astype(np.float32)
    disparity[rng.random(SHAPE) < 0.2] = np.nan
    kept = _chain(EVERY).apply(_result(disparity.copy()), IMAGE, IMAGE).result.disparity
    known = np.isfinite(kept)
    np.testing.assert_array_equal(kept[known], disparity[known])


def test_a_chain_that_was_replaced_is_freed_with_its_frames() -> None:
    """Not left to the garbage collector: each change of a filter would add the frames of the last chain."""
    chain = _chain(EVERY)
    gone = weakref.ref(chain)
    gc.disable()
    try:
        chain.apply(_result(), IMAGE, IMAGE)
        del chain
        assert gone() is None
    finally:
        gc.enable()


def test_settings_check_themselves() -> None:
    with pytest.raises(ParameterError, match=r"confidence_threshold = 2\.0: allowed is 0 to 1"):
        FilterSettings(confidence_threshold=2.0)

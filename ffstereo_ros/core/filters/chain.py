"""The filters that are switched on, in one order, each with its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.filters.confidence import mask_low_confidence
from ffstereo_ros.core.filters.flying_pixels import mask_flying_pixels
from ffstereo_ros.core.filters.left_band import mask_left_band
from ffstereo_ros.core.filters.left_right import mask_inconsistent, match_right
from ffstereo_ros.core.filters.region import Region, mask_outside
from ffstereo_ros.core.filters.speckle import mask_speckles
from ffstereo_ros.core.filters.temporal import TemporalFilter, TemporalSettings
from ffstereo_ros.core.matcher import HostResult, StereoMatcher, StereoResult
from ffstereo_ros.parameter import Value
from ffstereo_ros.params import BY_NAME

Float32Array = NDArray[np.float32]
Uint8Image = NDArray[np.uint8]

# In the order they run: what is cheap and takes much away first, what looks at neighbours on what is left, and the
# memory last, so that it never remembers what another filter refuses.
FILTER_NAMES = ("region", "left_band", "confidence", "left_right", "flying_pixels", "speckle", "temporal")


@dataclass(frozen=True)
class FilterSettings:
    """The fields of the same name in ``params.py`` give meaning, unit and range; by default every filter is off."""

    roi_x: int = 0
    roi_y: int = 0
    roi_width: int = 0
    roi_height: int = 0
    left_band_filter: bool = False
    confidence_threshold: float = 0.0
    left_right_tolerance: float = 0.0
    flying_pixel_threshold: float = 0.0
    speckle_size: int = 0
    speckle_range: float = 1.0
    temporal_weight: float = 0.0
    temporal_max_change: float = 1.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            BY_NAME[name].check(getattr(self, name))

    @classmethod
    def from_parameters(cls, values: dict[str, Value]) -> FilterSettings:
        """Takes its own fields out of all parameters."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})  # type: ignore[arg-type]

    @property
    def region(self) -> Region:
        """What is kept of the image."""
        return Region(self.roi_x, self.roi_y, self.roi_width, self.roi_height)


@dataclass(frozen=True)
class Filtered:
    """A result with less in it.

    Attributes:
        result: as before, with the filters' disparity; the confidence is 0 wherever it is unknown.
        seconds: time of each filter that ran, s, by its name.
    """

    result: StereoResult
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pair:
    """What a filter may look at beside the disparity."""

    left: Uint8Image
    right: Uint8Image
    confidence: Float32Array | None


class FilterChain:
    """Runs the filters that ``settings`` switch on. Remembers frames only for the temporal filter.

    Args:
        matcher: asked for the right view, by the left-right filter alone.
    """

    def __init__(self, settings: FilterSettings, matcher: StereoMatcher) -> None:
        self.settings = settings
        self._matcher = matcher
        self._temporal = TemporalFilter(TemporalSettings(settings.temporal_weight, settings.temporal_max_change))

    @property
    def names(self) -> tuple[str, ...]:
        """The filters that run, in order."""
        return tuple(self._chosen())

    def reset(self) -> None:
        """Forgets the last frames: the clock jumped, or frames are missing."""
        self._temporal.reset()

    def apply(self, result: StereoResult, left: Uint8Image, right: Uint8Image) -> Filtered:
        """Filters one frame's answer; without a filter it is handed back as it is.

        Args:
            left, right: uint8 ``[H, W, 3]`` RGB, the pair that was matched.

        Raises:
            BackendError: the right view could not be matched.
        """
        # Made for each frame, 3 us: kept, they would hold this object, and its frames, until garbage is collected.
        steps = self._chosen()
        if not steps:
            return Filtered(result)
        pair, disparity, seconds = _Pair(left, right, result.confidence), result.disparity, {}
        for name, step in steps.items():
            began = time.perf_counter()
            disparity = step(disparity, pair)
            seconds[name] = time.perf_counter() - began
        confidence = result.confidence
        if confidence is not None:
            confidence = np.where(np.isnan(disparity), np.float32(0), confidence)
        raw, negative = result.raw_disparity, result.negative_fraction
        left_over = HostResult(disparity, confidence, raw, result.max_disparity, result.infer_seconds, negative)
        return Filtered(left_over, seconds)

    def _chosen(self) -> dict[str, Callable[[Float32Array, _Pair], Float32Array]]:
        settings = self.settings
        every: dict[str, tuple[bool, Callable[[Float32Array, _Pair], Float32Array]]] = {
            "region": (not settings.region.is_whole_image, lambda d, _: mask_outside(d, settings.region)),
            "left_band": (settings.left_band_filter, lambda d, _: mask_left_band(d)),
            "confidence": (settings.confidence_threshold > 0, self._confident),
            "left_right": (settings.left_right_tolerance > 0, self._consistent),
            "flying_pixels": (
                settings.flying_pixel_threshold > 0,
                lambda d, _: mask_flying_pixels(d, threshold=settings.flying_pixel_threshold),
            ),
            "speckle": (
                settings.speckle_size > 0,
                lambda d, _: mask_speckles(d, max_size=settings.speckle_size, max_difference=settings.speckle_range),
            ),
            "temporal": (settings.temporal_weight > 0, lambda d, pair: self._temporal.apply(d, pair.left)),
        }
        return {name: every[name][1] for name in FILTER_NAMES if every[name][0]}

    def _confident(self, disparity: Float32Array, pair: _Pair) -> Float32Array:
        if pair.confidence is None:  # SGBM has none: its own checks have done this work
            return disparity
        return mask_low_confidence(disparity, pair.confidence, threshold=self.settings.confidence_threshold)

    def _consistent(self, disparity: Float32Array, pair: _Pair) -> Float32Array:
        right = match_right(self._matcher, pair.left, pair.right)
        return mask_inconsistent(disparity, right, tolerance=self.settings.left_right_tolerance)

"""A pair of images in, a disparity of the same size out: the path every frame takes, on a robot or offline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.frame import FrameGeometry, disparity_to_model, prepare_pair, restore_disparity, restore_map
from ffstereo_ros.core.validity import keep, known_mask
from ffstereo_ros.errors import BackendError, ImageError

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

# Below this side no backend has a window to match in.
MIN_SIDE = 32


@dataclass(frozen=True)
class BackendAnswer:
    """A backend's own answer at model scale, before any mask; the arrays are the receiver's to keep.

    Attributes:
        disparity: float32 ``[h, w]`` model px, NaN = unanswered.
        confidence: float32 ``[h, w]`` 0..1, or None where the backend has none.
    """

    disparity: Float32Array
    confidence: Float32Array | None = None


class Backend(Protocol):
    """The port behind which SGBM, PyTorch and TensorRT live.

    Attributes:
        name: ``sgbm``, ``torch`` or ``tensorrt``.
        size_multiple: both sides of the input must be multiples of this, px.
        max_disparity: largest disparity it looks for, model px.
    """

    name: str
    size_multiple: int

    @property
    def max_disparity(self) -> int: ...

    def describe(self) -> str:
        """One line for people: which method, on what, at which precision."""
        ...

    def infer(
        self, left: Uint8Image, right: Uint8Image, *, initial_disparity: Float32Array | None = None
    ) -> BackendAnswer:
        """Matches two uint8 ``[h, w, 3]`` RGB images; a start (model px, ``[h, w]``) may be ignored.

        Raises:
            BackendError: the frame could not be matched; the backend stays usable.
        """
        ...

    def close(self) -> None:
        """Frees what the backend holds (GPU memory, threads); it is not used afterwards."""
        ...


@dataclass(frozen=True)
class StereoResult:
    """One frame's answer on the user's pixels.

    Attributes:
        disparity: float32 ``[H, W]`` px of the left image, NaN = unknown.
        confidence: float32 ``[H, W]`` 0..1, or None.
        raw_disparity: float32 ``[H, W]`` px, the backend's answer before any mask; the same array as ``disparity``
            where no mask took anything away.
        max_disparity: largest disparity searched, px of the left image.
        infer_seconds: time inside the backend, s.
        negative_fraction: share of answered pixels below 0 px; several per cent are the symptom of weights that
            run with the wrong ``normalize`` flag.
    """

    disparity: Float32Array
    confidence: Float32Array | None
    raw_disparity: Float32Array
    max_disparity: float
    infer_seconds: float
    negative_fraction: float


class StereoMatcher:
    """Prepare, infer, restore, mask. Holds no state between frames.

    Attributes:
        scale: model px per user px; 0 given, it is the backend's ``advised_scale``, and 1 where it advises nothing.
    """

    def __init__(self, backend: Backend, *, scale: float = 0.0) -> None:
        self.backend = backend
        self.scale: float = scale or getattr(backend, "advised_scale", 1.0)

    def describe(self) -> str:
        """One line for people: the backend, and the scale where that is not 1."""
        at_scale = "" if self.scale == 1.0 else f" at scale {self.scale:g}"
        return f"{self.backend.describe()}{at_scale}"

    @property
    def max_disparity(self) -> float:
        """Largest disparity found, px of the user's left image."""
        return self.backend.max_disparity / self.scale

    def match(
        self, left: Uint8Image, right: Uint8Image, *, initial_disparity: Float32Array | None = None
    ) -> StereoResult:
        """Disparity of a rectified pair.

        Args:
            left, right: uint8 ``[H, W, 3]`` RGB.
            initial_disparity: float32 ``[H, W]`` px to start from (the last frame's), where the backend refines.

        Raises:
            ImageError: sizes differ or are below 32 px, or not uint8 RGB.
            BackendError: the backend failed on this frame.
        """
        _require_matchable(left)
        pair = prepare_pair(left, right, scale=self.scale, multiple=self.backend.size_multiple)
        start = None if initial_disparity is None else _start(initial_disparity, pair.geometry)
        began = time.perf_counter()
        answer = self.backend.infer(pair.left, pair.right, initial_disparity=start)
        seconds = time.perf_counter() - began
        return self._restore(answer, pair.geometry, seconds)

    def _restore(self, answer: BackendAnswer, geometry: FrameGeometry, seconds: float) -> StereoResult:
        raw = restore_disparity(answer.disparity, geometry)
        confidence = None if answer.confidence is None else restore_map(answer.confidence, geometry)
        known = known_mask(raw, max_disparity=self.max_disparity)
        if known is None:
            return StereoResult(raw, confidence, raw, self.max_disparity, seconds, 0.0)
        confidence = None if confidence is None else keep(confidence, known, otherwise=0.0)
        negative = _negative_fraction(raw[known == 0], raw.size)
        return StereoResult(keep(raw, known), confidence, raw, self.max_disparity, seconds, negative)


def _negative_fraction(refused: Float32Array, pixels: int) -> float:
    """Share of negative answers among all answers to ``pixels``, of which ``refused`` ``[N]`` px are no disparities."""
    answered = pixels - int(np.count_nonzero(np.isnan(refused)))
    return int(np.count_nonzero(refused < 0)) / max(answered, 1)


def _require_matchable(left: Uint8Image) -> None:
    if left.ndim >= 2 and min(left.shape[:2]) < MIN_SIDE:
        raise ImageError(
            f"image is {left.shape[1]}x{left.shape[0]} px: stereo needs at least {MIN_SIDE}x{MIN_SIDE} px; "
            "check the camera's resolution"
        )


def _start(initial_disparity: Float32Array, geometry: FrameGeometry) -> Float32Array:
    if initial_disparity.shape != (geometry.height, geometry.width):
        raise BackendError(
            f"initial disparity is {list(initial_disparity.shape)} px but the images are "
            f"{[geometry.height, geometry.width]} px: they must agree"
        )
    return disparity_to_model(initial_disparity, geometry)

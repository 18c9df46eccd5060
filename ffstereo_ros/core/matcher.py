"""A pair of images in, a disparity of the same size out: the path every frame takes, on a robot or offline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.frame import FrameGeometry, disparity_to_model, prepare_pair, restore_disparity, restore_map
from ffstereo_ros.core.geometry import FARTHEST, NEAREST, depth_from_disparity
from ffstereo_ros.core.validity import keep, known_mask
from ffstereo_ros.errors import BackendError, ImageError

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

# Below this side no backend has a window to match in.
MIN_SIDE = 32


class StereoResult(Protocol):
    """One frame's answer on the user's pixels.

    What lies on a device is computed and copied when it is asked for; what nobody asks for is neither. Arrays are the
    receiver's to keep. Where they come from a GPU they fill page-locked memory, which is scarce: whoever keeps hundreds
    of frames copies them.

    Attributes:
        disparity: float32 ``[H, W]`` px of the left image, NaN = unknown.
        confidence: float32 ``[H, W]`` 0..1, 0 where the disparity is unknown; or None.
        raw_disparity: float32 ``[H, W]`` px, the backend's answer before any mask.
        max_disparity: largest disparity searched, px of the left image.
        infer_seconds: time inside the backend, s.
        negative_fraction: share of answered pixels below 0 px; several per cent are the symptom of weights that
            run with the wrong ``normalize`` flag.

    On a device, every array may raise `BackendError`: out of memory, or another failure of the device.
    """

    @property
    def disparity(self) -> Float32Array: ...

    @property
    def confidence(self) -> Float32Array | None: ...

    @property
    def raw_disparity(self) -> Float32Array: ...

    @property
    def max_disparity(self) -> float: ...

    @property
    def infer_seconds(self) -> float: ...

    @property
    def negative_fraction(self) -> float: ...

    def depth(self, camera: StereoCamera, *, min_depth: float = NEAREST, max_depth: float = FARTHEST) -> Float32Array:
        """Depth ``[H, W]`` m, as `depth_from_disparity`."""
        ...

    def packed_points(
        self, camera: StereoCamera, rgb: Uint8Image, *, stride: int, min_depth: float, max_depth: float
    ) -> Float32Array | None:
        """The organised cloud, if it is made on a device; None = make it from the depth.

        Args:
            rgb: uint8 ``[H, W, 3]``, the left image.
            stride: every how many rows and columns there is a point.
            min_depth, max_depth: m; what lies outside is unknown.

        Returns:
            float32 ``[ceil(H / stride), ceil(W / stride), 4]``: x, y, z in m, NaN = unknown, and the colour as
            0x00RRGGBB in the bits of a float32.
        """
        ...


@dataclass(frozen=True)
class HostResult:
    """A `StereoResult` of plain arrays; ``raw_disparity`` may be the same array as ``disparity``."""

    disparity: Float32Array
    confidence: Float32Array | None
    raw_disparity: Float32Array
    max_disparity: float
    infer_seconds: float
    negative_fraction: float

    def depth(self, camera: StereoCamera, *, min_depth: float = NEAREST, max_depth: float = FARTHEST) -> Float32Array:
        """See `StereoResult`."""
        return depth_from_disparity(self.disparity, camera, min_depth=min_depth, max_depth=max_depth)

    def packed_points(
        self, camera: StereoCamera, rgb: Uint8Image, *, stride: int, min_depth: float, max_depth: float
    ) -> None:
        """None: a message makes its points in its own memory."""


class Answer(Protocol):
    """What a backend answers at model scale: a `BackendAnswer`, or maps that lie on a device still.

    It stays valid whatever the backend is asked next.
    """

    def restore(self, geometry: FrameGeometry, *, max_disparity: float, infer_seconds: float) -> StereoResult:
        """The answer on the user's pixels, without what can be no disparity.

        Args:
            geometry: that of the pair which was matched.
            max_disparity: largest disparity searched, px of the user's left image.
            infer_seconds: time inside the backend, s.

        Raises:
            ImageError: the answer does not have the model's size.
        """
        ...


@dataclass(frozen=True)
class BackendAnswer:
    """A backend's own answer at model scale, before any mask; the arrays are the receiver's to keep.

    Attributes:
        disparity: float32 ``[h, w]`` model px, NaN = unanswered.
        confidence: float32 ``[h, w]`` 0..1, or None where the backend has none.
    """

    disparity: Float32Array
    confidence: Float32Array | None = None

    def restore(self, geometry: FrameGeometry, *, max_disparity: float, infer_seconds: float) -> HostResult:
        """See `Answer`."""
        raw = restore_disparity(self.disparity, geometry)
        confidence = None if self.confidence is None else restore_map(self.confidence, geometry)
        known = known_mask(raw, max_disparity=max_disparity)
        if known is None:
            return HostResult(raw, confidence, raw, max_disparity, infer_seconds, 0.0)
        confidence = None if confidence is None else keep(confidence, known, otherwise=0.0)
        negative = _negative_fraction(raw[known == 0], raw.size)
        return HostResult(keep(raw, known), confidence, raw, max_disparity, infer_seconds, negative)


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

    def infer(self, left: Uint8Image, right: Uint8Image, *, initial_disparity: Float32Array | None = None) -> Answer:
        """Matches two uint8 ``[h, w, 3]`` RGB images; a start (model px, ``[h, w]``) may be ignored.

        Raises:
            BackendError: the frame could not be matched; the backend stays usable.
        """
        ...

    def close(self) -> None:
        """Frees what the backend holds (GPU memory, threads); it is not used afterwards."""
        ...


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
        return answer.restore(pair.geometry, max_disparity=self.max_disparity, infer_seconds=seconds)


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

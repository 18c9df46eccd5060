"""Fast-FoundationStereo as a TensorRT engine: static buffers, one CUDA graph, no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.backends.tensorrt_layout import Layout, Reading
from ffstereo_ros.backends.tensorrt_session import Session
from ffstereo_ros.core.matcher import BackendAnswer
from ffstereo_ros.errors import BackendError, PairTooLargeError

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

SIZE_MULTIPLE = 32


@dataclass(frozen=True)
class StereoEngine:
    """A session with the roles of its tensors and the way its images are fed: pairs of its own size in, maps out."""

    session: Session
    layout: Layout
    reading: Reading

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the images, px."""
        return self.layout.height, self.layout.width

    def answer(self, left: Uint8Image, right: Uint8Image) -> BackendAnswer:
        """Matches uint8 ``[H, W, 3]`` images of exactly the engine's size.

        Raises:
            BackendError: the device failed.
        """
        self.reading.write(left, self.session.place(self.layout.left))
        self.reading.write(right, self.session.place(self.layout.right))
        maps = self.session.run()
        confidence = self._map(maps[self.layout.confidence]) if self.layout.confidence else None
        return BackendAnswer(self._map(maps[self.layout.disparity]), confidence)

    def disparity(self, left: Uint8Image, right: Uint8Image) -> Float32Array:
        """The disparity of `answer` alone, ``[H, W]`` px."""
        return self.answer(left, right).disparity

    def _map(self, values: NDArray[np.float32]) -> Float32Array:
        return values.reshape(self.shape).astype(np.float32)  # a copy: the next frame overwrites the buffer


@dataclass(frozen=True)
class EngineFacts:
    """What the bindings do not tell.

    Attributes:
        description: for people.
        max_disparity: largest disparity the weights search, model px.
        for_larger: says what to do about a pair of so many rows and columns, px, that is larger than every engine.
    """

    description: str
    max_disparity: int
    for_larger: Callable[[int, int], str]


class TensorRTBackend:
    """Runs engines that have passed the self-test; each frame takes the one of its size, or the next larger one.

    A pair smaller than every engine is padded with its border as far as the engine's size, on the right and below:
    columns keep their place, so disparities stay as they are.

    Attributes:
        failures: one line for each engine that fitted and was refused; somebody should be told.
    """

    name = "tensorrt"
    size_multiple = SIZE_MULTIPLE

    def __init__(self, engines: Sequence[StereoEngine], facts: EngineFacts, failures: tuple[str, ...] = ()) -> None:
        if not engines:
            raise BackendError("no engine was given: build one with `ffstereo build-engine`")
        self._engines = sorted(engines, key=lambda engine: engine.shape[0] * engine.shape[1])
        self._facts = facts
        self.failures = failures

    @property
    def max_disparity(self) -> int:
        """Largest disparity searched, model px."""
        return self._facts.max_disparity

    def describe(self) -> str:
        """One line for people."""
        sizes = ", ".join(_size(engine.shape) for engine in self._engines)
        return f"tensorrt ({self._facts.description}, self-test passed, {sizes} px)"

    def infer(
        self, left: Uint8Image, right: Uint8Image, *, initial_disparity: Float32Array | None = None
    ) -> BackendAnswer:
        """Matches two uint8 ``[h, w, 3]`` images; a start is ignored, as engines have no input for one.

        Raises:
            PairTooLargeError: no engine is large enough.
            BackendError: the device failed.
        """
        height, width = left.shape[:2]
        engine = self._engine_for(height, width)
        if engine.shape == (height, width):
            return engine.answer(left, right)
        answer = engine.answer(_padded(left, engine.shape), _padded(right, engine.shape))
        confidence = None if answer.confidence is None else answer.confidence[:height, :width]
        return BackendAnswer(answer.disparity[:height, :width], confidence)

    def close(self) -> None:
        """Frees engines and GPU memory."""
        for engine in self._engines:
            engine.session.close()
        self._engines = []

    def _engine_for(self, height: int, width: int) -> StereoEngine:
        for engine in self._engines:
            if engine.shape[0] >= height and engine.shape[1] >= width:
                return engine
        sizes = ", ".join(_size(engine.shape) for engine in self._engines)
        raise PairTooLargeError(
            f"the pair is {width}x{height} px and the engines are for {sizes} px: "
            f"{self._facts.for_larger(height, width)}"
        )


def _padded(image: Uint8Image, shape: tuple[int, int]) -> Uint8Image:
    below, right = shape[0] - image.shape[0], shape[1] - image.shape[1]
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]}x{shape[0]}"

"""Fast-FoundationStereo on a CUDA GPU: our kernels where they can run, the whole frame as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffstereo_ros.backends.cuda_frames import CudaFrames
from ffstereo_ros.backends.device_maps import DeviceTables
from ffstereo_ros.backends.device_result import DeviceAnswer, Stage, Workplace
from ffstereo_ros.backends.pytorch import Forward, NetworkSettings, network_forward
from ffstereo_ros.backends.torch_device import Placement
from ffstereo_ros.errors import BackendError
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.model import SIZE_MULTIPLE, FastFoundationStereo, check_settings

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]


# Kernels are compiled and libraries loaded by a small pair, before a camera waits.
_WARM_UP_SHAPE = (96, 160)


class Frames(Protocol):
    """What carries frames to a device; see `CudaFrames`."""

    @property
    def stage(self) -> Stage: ...

    def run(self, left: Uint8Image, right: Uint8Image, start: Float32Array | None = None) -> Tensor: ...

    def close(self) -> None: ...


class CudaBackend:
    """The network on a CUDA device; PyTorch's own operations stand in where our kernels cannot run.

    Args:
        model: loaded weights; copied, not changed.
        name_of_weights: for people.
        placement: device and arithmetic.
        settings: iterations, search range, hierarchical inference.
        new_frames: what makes the carrier of a forward pass.

    Attributes:
        failures: one line that says why our kernels do not run; empty where they do.

    Raises:
        ParameterError: the settings do not fit the weights.
        BackendError: the network cannot run on this GPU.
    """

    name = "torch"
    size_multiple = SIZE_MULTIPLE
    advised_scale = 1.0  # what the weights do best at

    def __init__(
        self,
        model: FastFoundationStereo,
        name_of_weights: str,
        placement: Placement,
        settings: NetworkSettings,
        new_frames: Callable[[Forward, torch.device], Frames] = CudaFrames,
    ) -> None:
        check_settings(settings.iterations, settings.max_disparity, model.config.max_disparity)
        self._weights, self._placement, self._settings = name_of_weights, placement, settings
        self._new_frames = new_frames
        self._tables = DeviceTables(placement.device)
        self.failures: tuple[str, ...] = ()
        try:
            self._frames = self._start(self._on_kernels(model))
        except BackendError as error:
            self._frames = self._start(self._prepare(model))
            self.failures = (f"our CUDA kernels cannot run, PyTorch's slower operations do: {error}",)

    @property
    def max_disparity(self) -> int:
        """Largest disparity searched, model px; the hierarchical pass doubles it."""
        return self._settings.max_disparity * (2 if self._settings.hierarchical else 1)

    def describe(self) -> str:
        """One line for people."""
        settings, placement = self._settings, self._placement
        kernels = "without our kernels" if self.failures else "with our kernels"
        return (
            f"torch (weights {self._weights}, {placement.precision} on {placement.reason} {kernels}, "
            f"{settings.iterations} iterations, {settings.max_disparity} px of disparity)"
        )

    def infer(
        self, left: Uint8Image, right: Uint8Image, *, initial_disparity: Float32Array | None = None
    ) -> DeviceAnswer:
        """Matches two uint8 ``[h, w, 3]`` images, both sides multiples of 32; the first pair of a size takes seconds.

        The answer stays on the device: what is made of it there may fail as the network may.
        ``initial_disparity`` ``[h, w]`` model px replaces the volume's estimate as the start; unknown pixels of it
        (NaN) start from it all the same.

        Raises:
            BackendError: out of memory, or another failure of the device.
        """
        shape = left.shape[:2]
        with self._explained(shape):
            maps = self._frames.run(left, right, initial_disparity)
        return DeviceAnswer(maps, Workplace(self._tables, partial(self._explained, shape, self._frames.stage)))

    def close(self) -> None:
        """Frees graphs, weights and memory."""
        self._frames.close()
        del self._frames

    def _prepare(self, model: FastFoundationStereo) -> FastFoundationStereo:
        return prepare_for_inference(model, self._placement.device, self._placement.dtype)

    def _on_kernels(self, model: FastFoundationStereo) -> FastFoundationStereo:
        from ffstereo_ros.network.inference.kernel_network import with_kernels  # an old torch refuses at the import

        return with_kernels(self._prepare(model))

    def _start(self, network: FastFoundationStereo) -> Frames:
        """The carrier of this network, after one small pair."""
        frames = self._new_frames(network_forward(network, self._settings), self._placement.device)
        blank = np.zeros((*_WARM_UP_SHAPE, 3), dtype=np.uint8)
        with self._explained(_WARM_UP_SHAPE):
            frames.run(blank, blank)
        return frames

    @contextmanager
    def _explained(self, shape: tuple[int, ...], stage: Stage = nullcontext) -> Iterator[None]:
        """A stage whose failures are told as the network's on a pair of ``shape``, px."""
        try:
            with stage():
                yield
        except RuntimeError as error:  # out of memory is one of these
            raise BackendError(self._explain(error, shape)) from error

    def _explain(self, error: Exception, shape: tuple[int, ...]) -> str:
        reason = str(error).splitlines()[0]
        size = f"{shape[1]}x{shape[0]} px pair with {self._settings.max_disparity} px of disparity"
        if isinstance(error, torch.cuda.OutOfMemoryError):
            return (
                f"a {size} does not fit into the GPU's memory ({reason}): half the max_disparity, or 0.7 times the "
                "scale, takes about half of it"
            )
        return f"the network failed on a {size}: {reason}"

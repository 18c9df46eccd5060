"""Fast-FoundationStereo on PyTorch and a CPU, for pairs of any size; ``cuda.py`` is for GPUs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.backends.confidence import matching_confidence
from ffstereo_ros.backends.freed_memory import keep_freed_memory
from ffstereo_ros.backends.torch_device import Placement
from ffstereo_ros.core.matcher import BackendAnswer
from ffstereo_ros.errors import BackendError
from ffstereo_ros.network.hierarchical import hierarchical_start
from ffstereo_ros.network.inference import prepare_for_cpu
from ffstereo_ros.network.model import SIZE_MULTIPLE, FastFoundationStereo, check_settings

# The first frame pays for the allocator, the primitive caches and the threads: a small one does, before a camera waits.
_WARM_UP_SHAPE = (96, 160)


@dataclass(frozen=True)
class NetworkSettings:
    """How the network is run.

    Attributes:
        iterations: refinement iterations.
        max_disparity: largest disparity searched, model px, a multiple of 32.
        hierarchical: solve at half size first and refine at full size.
    """

    iterations: int = 8
    max_disparity: int = 192
    hierarchical: bool = False


class TorchBackend:
    """Runs a `FastFoundationStereo` on prepared pairs.

    Args:
        model: loaded weights; copied, not changed.
        name_of_weights: for people.
        placement: device and arithmetic.
        settings: iterations, search range, hierarchical inference.

    Raises:
        ParameterError: the settings do not fit the weights.
    """

    name = "torch"
    size_multiple = SIZE_MULTIPLE

    def __init__(
        self, model: FastFoundationStereo, name_of_weights: str, placement: Placement, settings: NetworkSettings
    ) -> None:
        check_settings(settings.iterations, settings.max_disparity, model.config.max_disparity)
        self._weights, self._placement, self._settings = name_of_weights, placement, settings
        keep_freed_memory()
        self._model = prepare_for_cpu(model, placement.dtype)
        blank = np.zeros((*_WARM_UP_SHAPE, 3), dtype=np.uint8)
        self.infer(blank, blank)

    @property
    def max_disparity(self) -> int:
        """Largest disparity searched, model px; the hierarchical pass doubles it."""
        return self._settings.max_disparity * (2 if self._settings.hierarchical else 1)

    def describe(self) -> str:
        """One line for people."""
        settings, placement = self._settings, self._placement
        return (
            f"torch (weights {self._weights}, {placement.precision} on {placement.reason}, "
            f"{settings.iterations} iterations, {settings.max_disparity} px of disparity)"
        )

    @torch.inference_mode()
    def infer(
        self,
        left: NDArray[np.uint8],
        right: NDArray[np.uint8],
        *,
        initial_disparity: NDArray[np.float32] | None = None,
    ) -> BackendAnswer:
        """Matches two uint8 ``[h, w, 3]`` images, both sides multiples of 32.

        ``initial_disparity`` ``[h, w]`` model px replaces the volume's estimate as the start; unknown pixels of it
        (NaN) start at 0.

        Raises:
            BackendError: out of memory, or another failure of the device.
        """
        settings = self._settings
        try:
            images = _as_tensor(left), _as_tensor(right)
            start = self._start(images, initial_disparity)
            output = self._model(*images, settings.iterations, settings.max_disparity, start)
            confidence = matching_confidence(output.logits, output.disparity)
            return BackendAnswer(_as_array(output.disparity), _as_array(confidence))
        except RuntimeError as error:
            raise BackendError(self._explain(error, left.shape[:2])) from error

    def close(self) -> None:
        """Frees the weights."""
        del self._model

    def _start(self, images: tuple[Tensor, Tensor], given: NDArray[np.float32] | None) -> Tensor | None:
        if given is not None:
            full = torch.from_numpy(np.nan_to_num(given))[None, None]
            return F.avg_pool2d(full, 4) / 4
        if self._settings.hierarchical:
            return hierarchical_start(self._model, *images, self._settings.iterations, self._settings.max_disparity)
        return None

    def _explain(self, error: Exception, shape: tuple[int, ...]) -> str:
        text = str(error).splitlines()[0]
        size = f"{shape[1]}x{shape[0]} px pair with {self._settings.max_disparity} px of disparity"
        if "alloc" in text.lower():
            return f"out of memory on a {size}: lower scale or max_disparity ({text})"
        return f"the network failed on a {size}: {text}"


def _as_tensor(image: NDArray[np.uint8]) -> Tensor:
    """uint8 ``[h, w, 3]`` to float32 ``[1, 3, h, w]`` in 0..255, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).unsqueeze(0).float()


def _as_array(tensor: Tensor) -> NDArray[np.float32]:
    return np.asarray(tensor[0, 0].float().numpy(), dtype=np.float32)

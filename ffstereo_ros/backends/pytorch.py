"""Fast-FoundationStereo on PyTorch and a CPU, for pairs of any size; ``cuda.py`` is for GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffstereo_ros.backends.confidence import hierarchical_confidence, matching_confidence
from ffstereo_ros.backends.freed_memory import keep_freed_memory
from ffstereo_ros.backends.torch_device import Placement
from ffstereo_ros.core.matcher import BackendAnswer
from ffstereo_ros.errors import BackendError
from ffstereo_ros.network.hierarchical import coarse_match, start_from
from ffstereo_ros.network.inference import prepare_for_cpu
from ffstereo_ros.network.model import SIZE_MULTIPLE, FastFoundationStereo, check_settings

# The pair as uint8 [2, H, W, 3] and a start [1, 1, H, W] px or None -> float32 maps [N, H, W]; reads nothing back.
Forward = Callable[[Tensor, Tensor | None], Tensor]

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
    advised_scale = 1.0  # what the weights do best at

    def __init__(
        self, model: FastFoundationStereo, name_of_weights: str, placement: Placement, settings: NetworkSettings
    ) -> None:
        check_settings(settings.iterations, settings.max_disparity, model.config.max_disparity)
        self._weights, self._placement, self._settings = name_of_weights, placement, settings
        keep_freed_memory()
        self._forward = network_forward(prepare_for_cpu(model, placement.dtype), settings)
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
        (NaN) start from it all the same.

        Raises:
            BackendError: out of memory, or another failure of the device.
        """
        start = None if initial_disparity is None else torch.from_numpy(initial_disparity)[None, None]
        try:
            disparity, confidence = self._forward(torch.from_numpy(np.stack((left, right))), start)
        except RuntimeError as error:
            raise BackendError(self._explain(error, left.shape[:2])) from error
        return BackendAnswer(disparity.numpy(), confidence.numpy())

    def close(self) -> None:
        """Frees the weights."""
        del self._forward

    def _explain(self, error: Exception, shape: tuple[int, ...]) -> str:
        text = str(error).splitlines()[0]
        size = f"{shape[1]}x{shape[0]} px pair with {self._settings.max_disparity} px of disparity"
        if "alloc" in text.lower():
            return f"out of memory on a {size}: lower scale or max_disparity ({text})"
        return f"the network failed on a {size}: {text}"


def network_forward(model: FastFoundationStereo, settings: NetworkSettings) -> Forward:
    """The network as a function; its maps are the disparity, px, and the confidence."""

    def forward(pair: Tensor, start: Tensor | None) -> Tensor:
        left, right = pair.permute(0, 3, 1, 2).float().split(1)
        # One pixel of sixteen, as in training: at an edge their mean lies on neither surface.
        initial = None if start is None else start[..., 2::4, 2::4] / 4
        coarse = None
        if settings.hierarchical:
            coarse = coarse_match(model, left, right, settings.iterations, settings.max_disparity)
            own = start_from(coarse)
            initial = own if initial is None else torch.where(initial.isnan(), own, initial)
        output = model(left, right, settings.iterations, settings.max_disparity, initial)
        if coarse is None:
            confidence = matching_confidence(output.logits, output.disparity)
        else:
            confidence = hierarchical_confidence(output, coarse)
        return torch.cat((output.disparity, confidence))[:, 0]

    return forward

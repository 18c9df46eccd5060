"""The group-wise correlation between the two engines of the authors' split: our kernel on the engines' buffers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ffstereo_ros.backends.tensorrt_device import Buffer, Device
from ffstereo_ros.backends.tensorrt_session import Binding
from ffstereo_ros.errors import BackendError, MissingDependencyError

LEFT, RIGHT, VOLUME = "features_left_04", "features_right_04", "gwc_volume"


class VolumeStage:
    """Features [1, C, h, w] of both sides -> volume [1, G, D, h, w], on the stream of the engines.

    Args:
        left, right: the feature engine's outputs.
        volume: the second engine's input; its shape gives groups and disparities, its type the volume's.
        normalize: whether the weights expect the cosine; it belongs to the weights, and the self-test tells.

    Raises:
        BackendError: the shapes do not belong together.
        MissingDependencyError: torch is not installed.
    """

    # torch may allocate: memory of its pool must not end up in a CUDA graph that torch does not know of.
    recordable = False

    def __init__(self, left: Binding, right: Binding, volume: Binding, normalize: bool) -> None:
        shape = left.shape
        fits = len(shape) == 4 and len(volume.shape) == 5 and right.shape == shape
        if not fits or volume.shape[0] != shape[0] or volume.shape[3:] != shape[2:] or shape[1] % volume.shape[1]:
            raise BackendError(
                f"{VOLUME} {list(volume.shape)} cannot be made of {LEFT} {list(left.shape)} and {RIGHT} "
                f"{list(right.shape)}: the two engines were not exported together"
            )
        try:
            import torch
        except ImportError as error:
            raise MissingDependencyError(
                "torch is not installed: two engines with a volume between need it (pip install torch); "
                "an engine of `ffstereo build-engine` does not"
            ) from error
        self.bindings: tuple[Binding, ...] = tuple(
            Binding(each.name, each.shape, each.dtype, each is not volume) for each in (left, right, volume)
        )
        self.groups, self.disparities, self.normalize = volume.shape[1], volume.shape[2], normalize
        self._torch: Any = torch
        self._tensors: list[Any] = []
        self._stream = 0

    def bind(self, buffers: Mapping[str, Buffer], device: Device) -> None:
        """Views the three buffers as tensors."""
        self._tensors = [device.tensor(buffers[binding.name]) for binding in self.bindings]
        self._stream = device.stream

    def enqueue(self) -> None:
        """Enqueues the correlation."""
        if self._stream:
            with self._torch.cuda.stream(self._torch.cuda.ExternalStream(self._stream)):
                self._correlate()
        else:
            self._correlate()

    def _correlate(self) -> None:
        from ffstereo_ros.kernels.correlation_volume.op import correlation_volume

        left, right, volume = self._tensors
        with self._torch.inference_mode():
            result = correlation_volume(left, right, self.groups, self.disparities, self.normalize)
            volume.copy_(result)

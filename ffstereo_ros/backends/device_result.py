"""A frame's answer that lies on a device: what is asked for is computed there and copied, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffstereo_ros.backends import device_maps
from ffstereo_ros.backends.device_maps import DeviceTables, to_device, to_host
from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.frame import FrameGeometry, require_model_shape
from ffstereo_ros.core.geometry import FARTHEST, NEAREST

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

# A stretch of work on a device, in order with the frames; it has been done when the stretch ends.
Stage = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Workplace:
    """Where maps are computed: the tables there, and how to enqueue and wait."""

    tables: DeviceTables
    stage: Stage


@dataclass(frozen=True)
class DeviceAnswer:
    """`core.matcher.Answer` on a device.

    Attributes:
        maps: float32 ``[2, h, w]``, disparity in model px and confidence; its own, not a buffer of the next frame.
        workplace: of the device that the maps lie on.
    """

    maps: Tensor
    workplace: Workplace

    def restore(self, geometry: FrameGeometry, *, max_disparity: float, infer_seconds: float) -> DeviceResult:
        """See `core.matcher.Answer`; enqueues nothing yet."""
        require_model_shape(tuple(self.maps.shape[1:]), geometry)
        return DeviceResult(self, geometry, max_disparity, infer_seconds)


class DeviceResult:
    """`core.matcher.StereoResult` on a device. Each array is new and its receiver's; the maps are copied once."""

    def __init__(
        self, answer: DeviceAnswer, geometry: FrameGeometry, max_disparity: float, infer_seconds: float
    ) -> None:
        self.max_disparity = max_disparity
        self.infer_seconds = infer_seconds
        self._answer = answer
        self._geometry = geometry
        self._tables, self._stage = answer.workplace.tables, answer.workplace.stage

    @cached_property
    def disparity(self) -> Float32Array:
        """``[H, W]`` px, NaN = unknown."""
        return self._on_host(lambda: self._disparity)

    @cached_property
    def confidence(self) -> Float32Array:
        """``[H, W]`` 0..1, 0 where the disparity is unknown."""
        return self._on_host(
            lambda: device_maps.keep(
                device_maps.restore_map(self._answer.maps[1], self._geometry, self._tables), self._known, otherwise=0.0
            )
        )

    @cached_property
    def raw_disparity(self) -> Float32Array:
        """``[H, W]`` px, before any mask."""
        return self._on_host(lambda: self._raw)

    @cached_property
    def negative_fraction(self) -> float:
        """Share of answered pixels below 0 px."""
        counts = self._on_host(
            lambda: torch.stack((torch.count_nonzero(self._raw < 0), torch.count_nonzero(self._raw.isnan())))
        )
        negative, unanswered = counts.tolist()
        return float(negative / max(self._raw.numel() - unanswered, 1))

    def depth(self, camera: StereoCamera, *, min_depth: float = NEAREST, max_depth: float = FARTHEST) -> Float32Array:
        """See `core.matcher.StereoResult`; computed anew at every call."""
        device_maps.require_size(self._geometry, camera)
        return self._on_host(
            lambda: device_maps.depth_from_disparity(self._disparity, camera, min_depth=min_depth, max_depth=max_depth)
        )

    def packed_points(
        self, camera: StereoCamera, rgb: Uint8Image, *, stride: int, min_depth: float, max_depth: float
    ) -> Float32Array:
        """See `core.matcher.StereoResult`; computed anew at every call, at the pixels that have a point."""
        device_maps.require_size(self._geometry, camera)

        def compute() -> Tensor:
            # First: the bytes travel while the depth is computed.
            colours = to_device(rgb[::stride, ::stride], self._tables.device)
            disparity = self._disparity[::stride, ::stride]
            depth = device_maps.depth_from_disparity(disparity, camera, min_depth=min_depth, max_depth=max_depth)
            return device_maps.packed_points(depth, colours, *self._tables.rays(camera, stride))

        return self._on_host(compute)

    def _on_host(self, compute: Callable[[], Tensor]) -> Float32Array:
        """What is computed on the device, copied to the host in one piece."""
        with self._stage():
            values = to_host(compute())
        array: Float32Array = values.numpy()
        return array

    # Only inside a stage.

    @cached_property
    def _raw(self) -> Tensor:
        return device_maps.restore_disparity(self._answer.maps[0], self._geometry, self._tables)

    @cached_property
    def _known(self) -> Tensor:
        return device_maps.known_mask(self._raw, max_disparity=self.max_disparity)

    @cached_property
    def _disparity(self) -> Tensor:
        return device_maps.keep(self._raw, self._known)

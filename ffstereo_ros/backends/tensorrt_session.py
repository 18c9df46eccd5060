"""Stages that run one after the other on static buffers: an engine, or two with a volume between, as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.backends.tensorrt_device import Buffer, Device
from ffstereo_ros.backends.tensorrt_library import TensorRT
from ffstereo_ros.errors import BackendError

Array = NDArray[Any]


@dataclass(frozen=True)
class Binding:
    """One tensor that enters or leaves a stage."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_input: bool


class Stage(Protocol):
    """One step on the device.

    Attributes:
        bindings: what enters and leaves.
        recordable: whether a CUDA graph may hold it.
    """

    bindings: tuple[Binding, ...]
    recordable: bool

    def bind(self, buffers: Mapping[str, Buffer], device: Device) -> None:
        """Remembers where each of its tensors lies, once."""
        ...

    def enqueue(self) -> None:
        """Enqueues its work on the stream of the device it is bound to."""
        ...


class EngineStage:
    """A deserialized TensorRT engine with one execution context.

    Raises:
        BackendError: the plan is truncated, or made by another version or for another GPU; or it has dynamic axes.
    """

    recordable = True

    def __init__(self, plan: bytes, library: TensorRT, name: str) -> None:
        api = library.api
        self._name, self._library, self._stream = name, library, 0
        library.log.clear()
        self._runtime = api.Runtime(library.log.handle)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise BackendError(f"{name} is refused by {library.name} {library.version}: {_cause(library.log.last())}")
        self.bindings = tuple(self._binding(index) for index in range(self._engine.num_io_tensors))
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError(f"{name} gets no memory on the GPU: {library.log.last() or 'free some and try again'}")

    def bind(self, buffers: Mapping[str, Buffer], device: Device) -> None:
        """Gives the engine the addresses of its tensors."""
        self._stream = device.stream
        for binding in self.bindings:
            self._context.set_tensor_address(binding.name, buffers[binding.name].address)

    def enqueue(self) -> None:
        """Enqueues one inference.

        Raises:
            BackendError: TensorRT refused.
        """
        self._library.log.clear()
        if not self._context.execute_async_v3(self._stream):
            raise BackendError(f"{self._name} failed while running: {self._library.log.last() or 'no reason given'}")

    def _binding(self, index: int) -> Binding:
        api, engine = self._library.api, self._engine
        name = engine.get_tensor_name(index)
        shape = tuple(int(size) for size in engine.get_tensor_shape(name))
        if any(size < 1 for size in shape):
            raise BackendError(
                f"{self._name} has dynamic axes ({name}: {list(shape)}): this backend runs engines of one size; "
                "build it with static shapes"
            )
        try:
            dtype = np.dtype(api.nptype(engine.get_tensor_dtype(name)))
        except TypeError as error:
            raise BackendError(
                f"{self._name}: {name} has a type that NumPy lacks ({error}): use fp16 or fp32"
            ) from None
        return Binding(name, shape, dtype, engine.get_tensor_mode(name) == api.TensorIOMode.INPUT)


def _cause(complaint: str) -> str:
    """TensorRT's own words, and what to do."""
    low = complaint.lower()
    if "plugin" in low:
        advice = "it needs a plugin library that is not loaded: export it without plugins"
    elif "version" in low or "compute" in low or "device" in low:
        advice = "engines run on the TensorRT version and the GPU they were built for only: build it here"
    else:
        advice = "it is truncated or no engine at all: build it again"
    return f"{complaint or 'no reason given'} ({advice})"


class Session:
    """Runs stages in order; tensors of one name are one buffer.

    A recorded CUDA graph holds uploads, stages and downloads; where a stage cannot be recorded, all of it is enqueued
    anew each time.

    Raises:
        BackendError: tensors of one name differ between stages, or an input of a stage comes from nowhere.
    """

    def __init__(self, stages: Sequence[Stage], inputs: Sequence[str], outputs: Sequence[str], device: Device) -> None:
        self._stages, self._device = tuple(stages), device
        self._buffers = _allocate(self._stages, inputs, device)
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        for stage in self._stages:
            stage.bind(self._buffers, device)
        recordable = all(stage.recordable for stage in self._stages)
        self._launch: Callable[[], None] = device.record(self._enqueue) if recordable else self._enqueue

    def place(self, name: str) -> Array:
        """Where the next frame's input is to be written, on the host; shape and type of the binding."""
        return self._buffers[name].host

    def run(self) -> dict[str, Array]:
        """One inference; the arrays returned are overwritten by the next one.

        Raises:
            BackendError: the device failed.
        """
        self._launch()
        self._device.synchronize()
        return {name: self._buffers[name].host for name in self._outputs}

    def close(self) -> None:
        """Frees engines and memory."""
        self._stages, self._buffers = (), {}
        self._device.close()

    def _enqueue(self) -> None:
        for name in self._inputs:
            self._device.upload(self._buffers[name])
        for stage in self._stages:
            stage.enqueue()
        for name in self._outputs:
            self._device.download(self._buffers[name])


def _allocate(stages: Sequence[Stage], inputs: Sequence[str], device: Device) -> dict[str, Buffer]:
    buffers: dict[str, Buffer] = {}
    known: dict[str, Binding] = {}
    for stage in stages:
        for binding in stage.bindings:
            first = known.setdefault(binding.name, binding)
            if (first.shape, first.dtype) != (binding.shape, binding.dtype):
                raise BackendError(
                    f"{binding.name} is {first.dtype} {list(first.shape)} in one engine and "
                    f"{binding.dtype} {list(binding.shape)} in the other: they were not exported together"
                )
            if binding.name not in buffers:
                if binding.is_input and binding.name not in inputs:
                    raise BackendError(f"nothing makes {binding.name}, which the engine takes")
                buffers[binding.name] = device.allocate(binding.shape, binding.dtype)
    return buffers

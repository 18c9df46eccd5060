"""Memory and stream of the GPU that an engine runs on, without torch: NVIDIA's own cuda-bindings."""

from __future__ import annotations

import ctypes
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import BackendError, MissingDependencyError

Array = NDArray[Any]


@dataclass(frozen=True)
class Buffer:
    """A static tensor: memory on the device and, page-locked, its place on the host.

    Attributes:
        address: on the device.
        host: array of the tensor's shape and type that `Device.upload` reads and `Device.download` fills.
    """

    address: int
    host: Array

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Lets torch look at the memory without a copy."""
        shape, typestr = self.host.shape, self.host.dtype.str
        return {"shape": shape, "typestr": typestr, "data": (self.address, False), "version": 3}


class Device(Protocol):
    """Where stages run: the GPU, or the host in tests.

    Attributes:
        stream: handle of the own stream.
    """

    stream: int

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Buffer: ...

    def upload(self, buffer: Buffer) -> None:
        """Enqueues the copy of the host's place to the device."""
        ...

    def download(self, buffer: Buffer) -> None:
        """Enqueues the copy of the device's memory to the host's place."""
        ...

    def record(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """What does all that ``enqueue`` enqueues, at the price of one launch (a CUDA graph)."""
        ...

    def synchronize(self) -> None: ...

    def tensor(self, buffer: Buffer) -> Any:
        """The buffer as a torch tensor, not copied."""
        ...

    def close(self) -> None: ...


class CudaDevice:
    """The current CUDA device with a stream of its own.

    Raises:
        MissingDependencyError: cuda-bindings is not installed.
        BackendError: there is no GPU or no driver, or a CUDA call failed.
    """

    def __init__(self) -> None:
        self._cuda = _load_runtime()
        self._owned: list[tuple[Any, Any]] = []  # (how to free, what)
        self._call("cudaGetDevice")
        self.stream = int(self._call("cudaStreamCreateWithFlags", self._cuda.cudaStreamNonBlocking))
        self._owned.append((self._cuda.cudaStreamDestroy, self.stream))

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Buffer:
        """Device and page-locked host memory of one tensor, zeroed on the host."""
        size = max(int(np.prod(shape)) * dtype.itemsize, 1)
        address = int(self._call("cudaMalloc", size))
        self._owned.append((self._cuda.cudaFree, address))
        place = int(self._call("cudaMallocHost", size))
        self._owned.append((self._cuda.cudaFreeHost, place))
        raw = (ctypes.c_uint8 * size).from_address(place)
        host = np.frombuffer(raw, dtype=dtype, count=int(np.prod(shape))).reshape(shape)
        host[...] = 0
        return Buffer(address, host)

    def upload(self, buffer: Buffer) -> None:
        """Enqueues host to device."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", buffer.address, buffer.host.ctypes.data, buffer.host.nbytes, kind, self.stream)

    def download(self, buffer: Buffer) -> None:
        """Enqueues device to host."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", buffer.host.ctypes.data, buffer.address, buffer.host.nbytes, kind, self.stream)

    def record(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """A CUDA graph of what is enqueued; it runs once uncaptured first, as TensorRT allocates on the first run."""
        enqueue()
        self.synchronize()
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", self.stream, mode)
        try:
            enqueue()
        finally:
            graph = self._call("cudaStreamEndCapture", self.stream)
        executable = self._call("cudaGraphInstantiate", graph, 0)
        self._owned.append((self._cuda.cudaGraphExecDestroy, executable))
        self._call("cudaGraphDestroy", graph)
        return lambda: self._call("cudaGraphLaunch", executable, self.stream)

    def synchronize(self) -> None:
        """Waits for the stream."""
        self._call("cudaStreamSynchronize", self.stream)

    def tensor(self, buffer: Buffer) -> Any:
        """A torch tensor on the buffer's memory."""
        import torch

        return torch.as_tensor(buffer, device="cuda")

    def close(self) -> None:
        """Frees everything, newest first."""
        while self._owned:
            free, what = self._owned.pop()
            free(what)

    def _call(self, name: str, *arguments: Any) -> Any:
        return call(self._cuda, name, *arguments)


@dataclass(frozen=True)
class GpuFacts:
    """What an engine depends on: name and compute capability, and the driver."""

    name: str
    compute_capability: str
    driver: str

    def describe(self) -> str:
        """As it stands in an engine's key."""
        return f"{self.name} (compute capability {self.compute_capability})"


def gpu_facts() -> GpuFacts:
    """The current GPU.

    Raises:
        MissingDependencyError: cuda-bindings is not installed.
        BackendError: there is no GPU or no driver.
    """
    cuda = _load_runtime()
    properties = call(cuda, "cudaGetDeviceProperties", call(cuda, "cudaGetDevice"))
    name = properties.name.decode() if isinstance(properties.name, bytes) else str(properties.name)
    version = int(call(cuda, "cudaDriverGetVersion"))
    driver = f"{_kernel_driver()} (CUDA {version // 1000}.{version % 1000 // 10})".strip()
    return GpuFacts(name.rstrip("\0"), f"{properties.major}.{properties.minor}", driver)


def call(cuda: Any, name: str, *arguments: Any) -> Any:
    """One CUDA call: its value, or a `BackendError` with the name of the error."""
    try:
        error, *values = getattr(cuda, name)(*arguments)
    except RuntimeError as failure:  # cuda-bindings itself, where it finds no driver library
        raise BackendError(f"no NVIDIA driver was found ({failure}): use backend torch or sgbm") from failure
    if int(error) != 0:
        raise BackendError(f"{name} failed ({getattr(error, 'name', error)}): is there an NVIDIA GPU and a driver?")
    return values[0] if values else None


def _load_runtime() -> Any:
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise MissingDependencyError(
            "cuda-bindings is not installed: pip install cuda-bindings, or use backend torch or sgbm"
        ) from error


def _kernel_driver() -> str:
    """``580.65.06`` of the kernel module, or empty (Jetson states none there)."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return ""
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    return found.group(1) if found else ""

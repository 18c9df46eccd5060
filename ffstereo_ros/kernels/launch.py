"""One kernel launch as data, and what runs it on a GPU. Tests run the same data on a CPU emulator."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ffstereo_ros.errors import BackendError
from ffstereo_ros.kernels.compile import Defines, KernelSource, cached_kernel, choose_target
from ffstereo_ros.kernels.driver import load_driver
from ffstereo_ros.kernels.nvrtc import Nvrtc, load_library

_ELEMENTS = {torch.float32: "ELEMENT_FP32", torch.float16: "ELEMENT_FP16", torch.bfloat16: "ELEMENT_BF16"}


@dataclass(frozen=True)
class SharedMemory:
    """What limits the tiles, in bytes: the most one block may take, and what one multiprocessor has."""

    block: int
    multiprocessor: int


@dataclass(frozen=True)
class Launch:
    """A kernel, its compile-time numbers, its grid of one-dimensional blocks, and the members of its Arguments struct.

    ``tensors`` become the struct's pointers in order (None a null pointer), ``numbers`` the 32-bit integers and floats
    behind them. ``output`` is the tensor that is written, one of ``tensors``.
    """

    kernel: KernelSource
    defines: Defines
    grid: tuple[int, int, int]
    threads: int
    shared_bytes: int
    tensors: tuple[Tensor | None, ...]
    numbers: tuple[int | float, ...]
    output: Tensor

    def arguments(self, pointers: Sequence[int]) -> bytes:
        """The Arguments struct of the kernel, in C layout."""
        kinds = "".join("f" if isinstance(number, float) else "i" for number in self.numbers)
        return struct.pack(f"{len(pointers)}P{kinds}0P", *pointers, *self.numbers)


def element_define(dtype: torch.dtype) -> tuple[str, int]:
    """The compile-time name of an element type: float32, float16 or bfloat16."""
    return _ELEMENTS[dtype], 1


def run(launch: Launch) -> Tensor:
    """Enqueue on the current stream of the output's device; returns the output.

    Nothing waits. The first call with new compile-time numbers compiles and loads (do that before capturing a graph).

    Raises:
        BackendError: driver, NVRTC or GPU cannot run the kernel.
    """
    device = launch.output.device
    with torch.cuda.device(device):
        function = _function(launch.kernel, launch.defines, launch.shared_bytes, device.index)
        pointers = [0 if tensor is None else tensor.data_ptr() for tensor in launch.tensors]
        stream = torch.cuda.current_stream(device).cuda_stream
        arguments = launch.arguments(pointers)
        load_driver().launch(function, launch.grid, launch.threads, launch.shared_bytes, stream, arguments)
    return launch.output


def resources(launch: Launch) -> tuple[int, int]:
    """Registers a thread and bytes of local memory that the loaded kernel has on the output's device."""
    device = launch.output.device
    with torch.cuda.device(device):
        return load_driver().resources(_function(launch.kernel, launch.defines, launch.shared_bytes, device.index))


@functools.cache
def shared_memory(device: torch.device) -> SharedMemory:
    """The limits of a CUDA device."""
    return SharedMemory(*load_driver().shared_bytes(device.index))


def compiler() -> Nvrtc:
    """NVRTC of the CUDA version that torch was built for, if there is that one, else any.

    Raises:
        MissingDependencyError: there is none.
    """
    cuda = torch.version.cuda
    return Nvrtc(load_library(int(cuda.split(".")[0]) if cuda else None))


@functools.cache
def _function(kernel: KernelSource, defines: Defines, shared_bytes: int, device: int) -> ctypes.c_void_p:
    driver, nvrtc = load_driver(), compiler()
    check_versions(driver.version, nvrtc.version)
    target = choose_target(driver.capability(device), nvrtc.architectures)
    return driver.load_function(cached_kernel(nvrtc, kernel, defines, target), kernel.entry, shared_bytes)


def check_versions(driver: tuple[int, int], nvrtc: tuple[int, int]) -> None:
    """Raise `BackendError` if the driver is too old for this NVRTC, whose machine code needs its CUDA major version."""
    if driver[0] < nvrtc[0]:
        raise BackendError(
            f"the NVIDIA driver runs CUDA up to {driver[0]}.{driver[1]}, NVRTC here is {nvrtc[0]}.{nvrtc[1]}: update "
            f"the driver, or install torch built for CUDA {driver[0]}"
        )

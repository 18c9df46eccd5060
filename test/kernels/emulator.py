"""Runs a `Launch` on the CPU, from the kernel's own source (see emulation/cuda_on_cpu.hpp).

Every launch runs twice: threads forward with all buffers ending at a forbidden page, threads backward with all buffers
starting at one. Both must give the same bits, so a missing barrier or an access outside a buffer fails the test. The
compiler's own checks find misaligned vectors, indices outside an array and overflowing integers.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ffstereo_ros.kernels import compile as kernel_compile
from ffstereo_ros.kernels.launch import Launch

_EMULATION = Path(__file__).with_name("emulation")
_KERNELS = Path(kernel_compile.__file__).parent
_FLAGS = (
    *("-O1", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"),
    *(
        "-fsanitize=alignment,bounds,shift,signed-integer-overflow,float-cast-overflow",
        "-fsanitize-undefined-trap-on-error",
    ),
)
_POISON = 0xFF  # every 16-bit and 32-bit float of these bytes is NaN


def emulate(launch: Launch, *extra_defines: str, in_place: bool = False) -> Tensor:
    """The launch's output, computed on the CPU; fails the test on a race, a deadlock or an access outside a buffer.

    The output's memory holds NaN before, or with ``in_place`` what the launch's output tensor holds.
    """
    library = _library(launch, extra_defines)
    forward = _run(library, launch, backward=False, at_end=True, in_place=in_place)
    backward = _run(library, launch, backward=True, at_end=False, in_place=in_place)
    assert forward.tobytes() == backward.tobytes(), "the result depends on the order of threads: a barrier is missing"
    raw = torch.frombuffer(bytearray(forward.tobytes()), dtype=launch.output.dtype)
    return raw.as_strided(launch.output.shape, launch.output.stride())


@dataclass
class _Buffer:
    address: int
    size: int


def _run(library: ctypes.CDLL, launch: Launch, backward: bool, at_end: bool, in_place: bool) -> np.ndarray:
    """The output's bytes."""
    poisoned = None if in_place else launch.output
    buffers = [_copy_in(library, tensor, tensor is poisoned, at_end) for tensor in launch.tensors]
    arguments = launch.arguments([buffer.address for buffer in buffers])
    assert len(arguments) == library.arguments_size(), "the Arguments struct and the launch differ"
    grid = (ctypes.c_uint * 3)(*launch.grid)
    assert launch.shared_bytes % 16 == 0
    error = library.launch(grid, launch.threads, ctypes.c_size_t(launch.shared_bytes), arguments, int(backward))
    assert error is None, error.decode()
    output = next(buffer for buffer, tensor in zip(buffers, launch.tensors) if tensor is launch.output)
    size = launch.output.numel() * launch.output.element_size()
    result = np.frombuffer(ctypes.string_at(output.address, size), np.uint8)
    for buffer in buffers:
        if buffer.address:
            library.guarded_free(ctypes.c_void_p(buffer.address), ctypes.c_size_t(buffer.size))
    return result


def _copy_in(library: ctypes.CDLL, tensor: Tensor | None, poisoned: bool, at_end: bool) -> _Buffer:
    """A tensor's storage from its first element on, 16-byte aligned, beside a forbidden page; NaN where poisoned."""
    if tensor is None:
        return _Buffer(0, 0)
    used = tensor.untyped_storage().nbytes() - tensor.storage_offset() * tensor.element_size()
    size = -(-used // 16) * 16
    address = library.guarded_alloc(ctypes.c_size_t(size), int(at_end))
    ctypes.memset(address, _POISON, size)
    if not poisoned:
        ctypes.memmove(address, tensor.data_ptr(), used)
    return _Buffer(address, size)


def _library(launch: Launch, extra_defines: tuple[str, ...]) -> ctypes.CDLL:
    defines = [f"-D{name}={value}" for name, value in launch.defines] + [f"-D{name}" for name in extra_defines]
    return _build(launch.kernel.path, launch.kernel.entry, tuple(defines))


@functools.cache
def _build(kernel: Path, entry: str, defines: tuple[str, ...]) -> ctypes.CDLL:
    source = f'#include "cuda_on_cpu.hpp"\n#include "{kernel}"\n#include "tensor_core.hpp"\n#include "launch.hpp"\n'
    name = hashlib.sha256((entry + "".join(defines)).encode()).hexdigest()[:16]
    folder = _build_folder()
    library, main = folder / f"{name}.so", folder / f"{name}.cpp"
    main.write_text(source)
    includes = [f"-I{_EMULATION}", f"-I{_KERNELS}"]
    command = [_compiler(), *_FLAGS, *includes, f"-DKERNEL={entry}", *defines, str(main), "-o", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    loaded = ctypes.CDLL(str(library))
    loaded.launch.restype = ctypes.c_char_p
    loaded.guarded_alloc.restype = ctypes.c_void_p
    loaded.arguments_size.restype = ctypes.c_size_t
    return loaded


@functools.cache
def _build_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="ffstereo_kernels_"))


@functools.cache
def _compiler() -> str:
    """A C++ compiler that knows _Float16; skips the test where there is none."""
    program = "int main() { _Float16 half = 1; return static_cast<int>(half) - 1; }"
    for name in ("g++", "clang++", "c++"):
        path = shutil.which(name)
        if path is None:
            continue
        command = [path, "-std=c++17", "-fsyntax-only", "-x", "c++", "-"]
        if subprocess.run(command, input=program, capture_output=True, text=True, check=False).returncode == 0:
            return path
    pytest.skip("needs g++ 12 or clang++ 15: the kernels' source is run on the CPU")

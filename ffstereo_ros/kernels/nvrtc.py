"""NVRTC, NVIDIA's run-time compiler, through its C interface: from the wheels beside torch or from a CUDA toolkit.

Its ten functions that are used here have not changed since CUDA 11.1, so one binding serves every version; the package
cuda-bindings would add 109 MB that must match the CUDA major version of torch.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ffstereo_ros.errors import BackendError, MissingDependencyError

_MAJORS = (13, 12)  # of CUDA; no torch that has custom operators comes with an older one that we could test


class CompilationError(BackendError):
    """NVRTC refused a source; the message holds its log."""


@functools.cache
def load_library(preferred_major: int | None = None) -> ctypes.CDLL:
    """The NVRTC library, that of CUDA ``preferred_major`` first (what torch was built for matches the driver).

    Raises:
        MissingDependencyError: there is none.
    """
    majors = sorted(_MAJORS, key=lambda major: major != preferred_major)
    for candidate in _candidates(majors):
        try:
            return _load(candidate)
        except (OSError, AttributeError):  # not to be loaded, or without NVRTC's functions
            continue
    package = {13: "nvidia-cuda-nvrtc", 12: "nvidia-cuda-nvrtc-cu12"}[majors[0]]
    raise MissingDependencyError(
        f"NVRTC (libnvrtc.so.{majors[0]}) was not found, so the CUDA kernels cannot be compiled: pip install {package},"
        " or install the CUDA toolkit"
    )


def _candidates(majors: Sequence[int]) -> Iterator[str]:
    """Files of the wheels beside torch and of CUDA toolkits, then what the loader knows by name; major by major."""
    roots = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)] + ["/usr/local/cuda"]
    patterns = [(entry, "nvidia/*/lib/libnvrtc.so.*") for entry in sys.path if entry]
    patterns += [(entry, "torch/lib/libnvrtc[-.]*so*") for entry in sys.path if entry]
    patterns += [(root, "lib*/libnvrtc.so.*") for root in roots]
    found = [path for folder, pattern in patterns for path in sorted(Path(folder).glob(pattern))]
    libraries = [path for path in found if "builtins" not in path.name and ".alt." not in path.name]
    for major in majors:
        yield from (str(path) for path in libraries if f".so.{major}" in path.name)
        yield f"libnvrtc.so.{major}"


def _load(candidate: str) -> ctypes.CDLL:
    """NVRTC looks for its builtins by name alone, so those beside a library given as a file are loaded before it.

    Raises:
        OSError: the file cannot be loaded.
        AttributeError: it is another library.
    """
    for builtins in sorted(Path(candidate).parent.glob("libnvrtc-builtins*")) if "/" in candidate else ():
        if ".alt." not in builtins.name:
            ctypes.CDLL(str(builtins))
    library = ctypes.CDLL(candidate)
    library.nvrtcVersion  # noqa: B018 - the loader looks the function up
    return library


class Nvrtc:
    """What we use of the library. Every method raises `BackendError` with NVRTC's own words if it fails."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.nvrtcGetErrorString.restype = ctypes.c_char_p

    @functools.cached_property
    def version(self) -> tuple[int, int]:
        """CUDA version of the compiler: major, minor."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    @functools.cached_property
    def architectures(self) -> tuple[int, ...]:
        """Compute capabilities it compiles for, ascending, as 10 * major + minor."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        values = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", values)
        return tuple(sorted(values))

    def compile(self, source: str, name: str, headers: dict[str, str], options: Sequence[str]) -> tuple[bytes, str]:
        """Machine code (PTX for a ``compute_`` target) and the compiler's log.

        Raises:
            CompilationError: the source or an option was refused.
        """
        program = ctypes.c_void_p()
        texts = _strings(headers.values())
        names = _strings(headers.keys())
        create = (source.encode(), name.encode(), len(headers), texts, names)
        self._call("nvrtcCreateProgram", ctypes.byref(program), *create)
        try:
            status = self._library.nvrtcCompileProgram(program, len(options), _strings(options))
            log = self._read(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").rstrip(b"\0 \n").decode()
            if status != 0:
                reason = log or self._text(status)
                raise CompilationError(f"{name} cannot be compiled with {' '.join(options)}: {reason}")
            kind = "PTX" if any("compute_" in option for option in options) else "CUBIN"
            return self._read(program, f"nvrtcGet{kind}Size", f"nvrtcGet{kind}"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, size_function: str, function: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(size_function, program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(function, program, buffer)
        return buffer.raw

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != 0:
            raise BackendError(f"{function} failed: {self._text(status)}")

    def _text(self, status: int) -> str:
        text: bytes = self._library.nvrtcGetErrorString(status)
        return text.decode()


def _strings(texts: Iterable[str]) -> ctypes.Array[ctypes.c_char_p]:
    encoded = [text.encode() for text in texts]
    return (ctypes.c_char_p * len(encoded))(*encoded)

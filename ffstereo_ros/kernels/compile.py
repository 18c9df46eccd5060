"""From a kernel's source to machine code for one GPU: choice of target, NVRTC, and the cache on disk."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ffstereo_ros.errors import BackendError, CacheError
from ffstereo_ros.kernels.nvrtc import Nvrtc
from ffstereo_ros.user_cache import user_cache

_LOG = logging.getLogger(__name__)
_HEADER = "device.cuh"
# Xavier, Orin, Thor before and since CUDA 13: their machine code runs on nothing else, and none but their own on them
# (CUDA C++ programming guide, "Binary Compatibility").
_TEGRA = frozenset((72, 87, 101, 110))
OLDEST = 75  # Turing: the first with a 16-bit matrix unit that today's CUDA still compiles for


@dataclass(frozen=True)
class KernelSource:
    """One CUDA file and the function in it that is launched; the same name serves error messages."""

    path: Path
    entry: str

    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def headers(self) -> dict[str, str]:
        """What the source includes: name -> text."""
        return {_HEADER: (Path(__file__).parent / _HEADER).read_text(encoding="utf-8")}


Defines = tuple[tuple[str, int], ...]  # compile-time numbers: name, value


def choose_target(capability: tuple[int, int], architectures: tuple[int, ...]) -> str:
    """The NVRTC architecture for a GPU of compute capability ``capability``.

    Its own machine code where NVRTC knows it, else that of an older GPU of the same major version (which it runs, both
    not being Tegra), else PTX of the newest one known among the older, for the driver to translate.

    Raises:
        BackendError: the GPU is older than 7.5, or older than this NVRTC still compiles for.
    """
    number = 10 * capability[0] + capability[1]
    name = f"{capability[0]}.{capability[1]}"
    if number < OLDEST:
        raise BackendError(f"the GPU has compute capability {name}: the CUDA kernels need 7.5 or newer; use device cpu")
    if number in architectures:
        return f"sm_{number}"
    older = [architecture for architecture in architectures if architecture < number and architecture not in _TEGRA]
    if not older:
        raise BackendError(
            f"the GPU has compute capability {name}, this NVRTC compiles for {min(architectures) / 10} and newer: "
            "install torch for an older CUDA version"
        )
    runs_here = older[-1] // 10 == capability[0] and number not in _TEGRA
    return f"sm_{older[-1]}" if runs_here else f"compute_{older[-1]}"


def compile_options(defines: Defines, target: str) -> list[str]:
    """The NVRTC command line."""
    return [f"--gpu-architecture={target}", "--std=c++17", *(f"-D{name}={value}" for name, value in defines)]


def compile_kernel(nvrtc: Nvrtc, kernel: KernelSource, defines: Defines, target: str, *flags: str) -> tuple[bytes, str]:
    """Machine code and log of one kernel, without the cache.

    Raises:
        CompilationError: the source does not compile.
    """
    options = [*compile_options(defines, target), *flags]
    return nvrtc.compile(kernel.text(), f"{kernel.entry}.cu", kernel.headers(), options)


def cached_kernel(nvrtc: Nvrtc, kernel: KernelSource, defines: Defines, target: str) -> bytes:
    """Machine code of one kernel, from the disk where it has been compiled before.

    The key is source, header, options and the NVRTC version. A damaged file is compiled again; a folder that cannot be
    written costs the compilation (about 0.2 s) in every program, nothing else.
    """
    try:
        path = cache_folder() / f"{_key(nvrtc, kernel, defines, target)}.bin"
    except CacheError as error:
        _LOG.warning("compiled kernels cannot be kept (%s): every program compiles them", error)
        return compile_kernel(nvrtc, kernel, defines, target)[0]
    code = _read(path)
    if code is None:
        code, _ = compile_kernel(nvrtc, kernel, defines, target)
        _write(path, code)
    return code


def cache_folder() -> Path:
    """Where machine code is kept: `kernels` in the user's cache.

    Raises:
        CacheError: there is no such place.
    """
    return user_cache() / "kernels"


def _key(nvrtc: Nvrtc, kernel: KernelSource, defines: Defines, target: str) -> str:
    sources = (kernel.text(), *kernel.headers().values())
    parts = (str(nvrtc.version), kernel.entry, *sources, *compile_options(defines, target))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    """The code of a cache file, None if there is none or it is damaged (a file is its SHA-256, then the code)."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[32:]
    return code if hashlib.sha256(code).digest() == content[:32] else None


def _write(path: Path, code: bytes) -> None:
    """Written beside and renamed: another process sees all of it or nothing."""
    passing: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            passing = Path(file.name)
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(passing, path)
    except OSError as error:
        _LOG.warning("compiled kernels cannot be kept in %s (%s): every program compiles them", path.parent, error)
    finally:
        if passing is not None:
            with contextlib.suppress(OSError):
                passing.unlink(missing_ok=True)  # there no more once it is renamed

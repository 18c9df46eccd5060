"""Choice of the target, the cache on disk, and what is said where compiling cannot work."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from ffstereo_ros.errors import BackendError, MissingDependencyError
from ffstereo_ros.kernels import compile as kernel_compile
from ffstereo_ros.kernels import driver, launch, nvrtc
from ffstereo_ros.kernels.compile import Defines, KernelSource, cached_kernel, choose_target
from ffstereo_ros.kernels.nvrtc import CompilationError, Nvrtc

CUDA_13 = (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121)
CUDA_12_4 = (50, 60, 70, 75, 80, 86, 87, 89, 90)


@pytest.mark.parametrize(
    ("capability", "architectures", "target"),
    [
        ((8, 6), CUDA_13, "sm_86"),
        ((9, 0), CUDA_12_4, "sm_90"),
        ((12, 1), (80, 90, 120), "sm_120"),  # an older GPU of the same family: its machine code runs
        ((12, 0), CUDA_12_4, "compute_90"),  # newer than this NVRTC: the driver translates
        ((7, 5), CUDA_13, "sm_75"),
        ((10, 3), (90, 100, 101, 120), "sm_100"),  # 10.1 is Tegra: its machine code runs there alone
        ((8, 9), (75, 80, 86, 87), "sm_86"),
        ((8, 7), CUDA_12_4, "sm_87"),
        ((8, 7), (75, 80, 86), "compute_86"),  # nor does Tegra run that of others
        ((11, 0), (90, 100, 101, 120), "compute_100"),
        ((12, 0), (90, 100, 101, 103, 110), "compute_103"),
    ],
)
def test_target(capability: tuple[int, int], architectures: tuple[int, ...], target: str) -> None:
    assert choose_target(capability, architectures) == target


@pytest.mark.parametrize(
    ("capability", "architectures", "message"),
    [
        ((7, 0), CUDA_12_4, r"compute capability 7\.0: the CUDA kernels need 7\.5 or newer; use device cpu"),
        ((7, 5), (80, 90), r"compute capability 7\.5, this NVRTC compiles for 8\.0 and newer: install torch"),
    ],
)
def test_a_gpu_too_old_is_refused(capability: tuple[int, int], architectures: tuple[int, ...], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        choose_target(capability, architectures)


def test_a_driver_too_old_is_refused() -> None:
    launch.check_versions((13, 0), (13, 0))
    launch.check_versions((13, 0), (12, 8))
    with pytest.raises(
        BackendError, match=r"runs CUDA up to 12\.4, NVRTC here is 13\.0: update the driver, or install"
    ):
        launch.check_versions((12, 4), (13, 0))


def test_without_nvrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(nvrtc, "_candidates", lambda majors: ["libnvrtc_that_is_not_there.so"])
    with pytest.raises(
        MissingDependencyError, match=r"libnvrtc\.so\.12\) was not found.*pip install nvidia-cuda-nvrtc-cu12"
    ):
        nvrtc.load_library.__wrapped__(12)


def test_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> ctypes.CDLL:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(MissingDependencyError, match=r"no NVIDIA driver .* or use device cpu"):
        driver.load_driver.__wrapped__()


def test_the_major_version_of_torch_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, name in (("cu13", "libnvrtc.so.13"), ("cuda_nvrtc", "libnvrtc.so.12")):
        library = tmp_path / "nvidia" / folder / "lib" / name
        library.parent.mkdir(parents=True)
        library.touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    found = list(nvrtc._candidates((12, 13)))
    wheels = [Path(candidate).name for candidate in found if candidate.startswith(str(tmp_path))]
    assert wheels == ["libnvrtc.so.12", "libnvrtc.so.13"]
    assert found.index("libnvrtc.so.12") < found.index(str(tmp_path / "nvidia/cu13/lib/libnvrtc.so.13"))


@pytest.fixture
def torch_lib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch that brings NVRTC in its own folder, as the ones for ARM do, and no other NVRTC."""
    folder = tmp_path / "torch" / "lib"
    folder.mkdir(parents=True)
    for name in ("libnvrtc-builtins.so.12.6", "libnvrtc.alt.so.12", "libnvrtc.so.12"):
        (folder / name).touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    return folder


class Library:
    """A library of that path, with NVRTC's functions or without."""

    nvrtc = True

    def __init__(self, path: str) -> None:
        if "/" not in path or "/usr/" in path:
            raise OSError(path)
        self.path = path

    def __getattr__(self, name: str) -> object:
        if not self.nvrtc:
            raise AttributeError(name)
        return lambda *_: 0


def test_nvrtc_in_the_folder_of_torch(torch_lib: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert nvrtc.load_library.__wrapped__(12).path == str(torch_lib / "libnvrtc.so.12")


@pytest.mark.usefixtures("torch_lib")
def test_a_library_that_is_not_nvrtc_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", type("Other", (Library,), {"nvrtc": False}))
    with pytest.raises(MissingDependencyError, match=r"libnvrtc\.so\.12\) was not found"):
        nvrtc.load_library.__wrapped__(12)


class CountingNvrtc(Nvrtc):
    """Stands for the compiler: its machine code is its command line, and it counts."""

    def __init__(self, version: tuple[int, int] = (13, 0)) -> None:
        self.__dict__["version"] = version
        self.compiled = 0

    def compile(self, source: str, name: str, headers: dict[str, str], options: object) -> tuple[bytes, str]:
        self.compiled += 1
        return f"{name} {options}".encode(), ""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelSource:
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "kernel.cu"
    path.write_text('extern "C" __global__ void nothing(int) {}')
    return KernelSource(path, "nothing")


def test_compiled_once(kernel: KernelSource) -> None:
    first, second = CountingNvrtc(), CountingNvrtc()
    assert cached_kernel(first, kernel, (("N", 1),), "sm_90") == cached_kernel(second, kernel, (("N", 1),), "sm_90")
    assert (first.compiled, second.compiled) == (1, 0)


@pytest.mark.parametrize(
    ("defines", "target", "version"),
    [((("N", 2),), "sm_90", (13, 0)), ((("N", 1),), "sm_80", (13, 0)), ((("N", 1),), "sm_90", (13, 1))],
    ids=["other numbers", "other GPU", "other NVRTC"],
)
def test_compiled_again_for(kernel: KernelSource, defines: Defines, target: str, version: tuple[int, int]) -> None:
    cached_kernel(CountingNvrtc(), kernel, (("N", 1),), "sm_90")
    compiler = CountingNvrtc(version)
    cached_kernel(compiler, kernel, defines, target)
    assert compiler.compiled == 1


def test_compiled_again_for_another_source(kernel: KernelSource) -> None:
    cached_kernel(CountingNvrtc(), kernel, (), "sm_90")
    kernel.path.write_text("// changed")
    compiler = CountingNvrtc()
    cached_kernel(compiler, kernel, (), "sm_90")
    assert compiler.compiled == 1


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 100])
def test_a_damaged_file_is_made_again(kernel: KernelSource, damage: bytes) -> None:
    code = cached_kernel(CountingNvrtc(), kernel, (), "sm_90")
    (file,) = kernel_compile.cache_folder().iterdir()
    file.write_bytes(damage)
    compiler = CountingNvrtc()
    assert cached_kernel(compiler, kernel, (), "sm_90") == code
    assert compiler.compiled == 1
    assert cached_kernel(compiler, kernel, (), "sm_90") == code
    assert compiler.compiled == 1


def test_a_folder_that_cannot_be_written_costs_time_only(
    kernel: KernelSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    compiler = CountingNvrtc()
    assert cached_kernel(compiler, kernel, (), "sm_90")
    assert "every program compiles them" in caplog.text


def test_a_write_that_fails_leaves_nothing_behind(
    kernel: KernelSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert cached_kernel(CountingNvrtc(), kernel, (), "sm_90")
    assert list(kernel_compile.cache_folder().iterdir()) == []
    assert "No space left on device" in caplog.text


def test_without_a_home_every_program_compiles(
    kernel: KernelSource, homeless: None, caplog: pytest.LogCaptureFixture
) -> None:
    compiler = CountingNvrtc()
    assert cached_kernel(compiler, kernel, (), "sm_90") == cached_kernel(compiler, kernel, (), "sm_90")
    assert compiler.compiled == 2
    assert "set HOME, or FFSTEREO_CACHE" in caplog.text


def test_what_nvrtc_says_reaches_the_message(kernel: KernelSource) -> None:
    try:
        compiler = launch.compiler()
    except MissingDependencyError:
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc")
    kernel.path.write_text("this is not C++")
    with pytest.raises(CompilationError, match=r"nothing\.cu cannot be compiled with --gpu-architecture=sm_90.*error:"):
        cached_kernel(compiler, kernel, (), "sm_90")

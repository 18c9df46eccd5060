"""Every kernel compiles for every GPU family that is served, within its registers and without spilling any."""

from __future__ import annotations

import re

import pytest
import torch
from gpus import BY_TARGET
from released import LAUNCHES

from ffstereo_ros.errors import MissingDependencyError
from ffstereo_ros.kernels.compile import compile_kernel
from ffstereo_ros.kernels.launch import compiler
from ffstereo_ros.kernels.nvrtc import Nvrtc

TARGETS = [target for target in BY_TARGET if target != "sm_75"]
# Registers a thread beyond which fewer blocks fit a multiprocessor than the tiles are chosen for (65536 registers).
REGISTERS = {
    "correlation_volume": 128,
    "geometry_lookup": 80,
    "convex_upsample": 64,
    "upsampling, one surface": 80,
    "volume_terms": 64,
    "scene_painting": 64,
}


@pytest.fixture(scope="module")
def nvrtc() -> Nvrtc:
    try:
        return compiler()
    except MissingDependencyError:
        pytest.skip("needs NVRTC: pip install nvidia-cuda-nvrtc")


def compile_for(nvrtc: Nvrtc, name: str, dtype: torch.dtype, target: str) -> tuple[int, int, int]:
    """Registers a thread, bytes of local memory, and bytes spilled, as ptxas reports them."""
    launch = LAUNCHES[name](dtype, BY_TARGET[target])
    code, log = compile_kernel(nvrtc, launch.kernel, launch.defines, target, "--ptxas-options=-v")
    assert code.startswith(b"\x7fELF")
    assert "warning" not in log
    numbers = [r"Used (\d+) registers", r"(\d+) bytes stack frame", r"(\d+) bytes spill stores"]
    registers, stack, spilled = (int(re.search(number, log).group(1)) for number in numbers)  # type: ignore[union-attr]
    assert registers <= REGISTERS.get(name, REGISTERS[launch.kernel.entry])
    assert launch.shared_bytes <= BY_TARGET[target].block
    return registers, stack, spilled


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", LAUNCHES)
def test_float16_for_every_target(nvrtc: Nvrtc, name: str, target: str) -> None:
    _, stack, spilled = compile_for(nvrtc, name, torch.float16, target)
    assert (stack, spilled) == (0, 0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", LAUNCHES)
def test_other_dtypes(nvrtc: Nvrtc, name: str, dtype: torch.dtype) -> None:
    _, stack, spilled = compile_for(nvrtc, name, dtype, "sm_90")
    assert (stack, spilled) == (0, 0)


@pytest.mark.parametrize("name", ["correlation, concatenated", "upsampling", "volume terms", "scene painting"])
def test_turing(nvrtc: Nvrtc, name: str) -> None:
    """Compute capability 7.5, which multiplies by shuffles."""
    _, _, spilled = compile_for(nvrtc, name, torch.float16, "sm_75")
    assert spilled == 0

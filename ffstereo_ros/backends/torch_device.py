"""Which device and which arithmetic the network runs with on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ffstereo_ros.errors import BackendError

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Placement:
    """Where and how to compute; ``reason`` tells people why."""

    device: torch.device
    dtype: torch.dtype
    precision: str
    reason: str


def choose_placement(device: str = "auto", precision: str = "auto") -> Placement:
    """Resolves ``auto``: CUDA in fp16 where there is a GPU, else the CPU in bf16 where it multiplies bf16, else fp32.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        BackendError: a GPU was asked for where none is, or fp16 on a CPU.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise BackendError(f"device = cuda: {why_no_cuda()}; use device cpu or auto")
    if device == "cuda" or (device == "auto" and available):
        index = torch.cuda.current_device()
        chosen = "fp16" if precision == "auto" else precision
        return Placement(torch.device("cuda", index), _DTYPES[chosen], chosen, torch.cuda.get_device_name(index))
    if precision == "fp16":
        raise BackendError("precision = fp16: CPUs have no fast fp16 convolutions; use fp32, bf16 or auto")
    unit = cpu_bf16_unit()
    chosen = ("bf16" if unit else "fp32") if precision == "auto" else precision
    reason = f"CPU, {torch.get_num_threads()} threads" + (f", {unit}" if unit else "")
    return Placement(torch.device("cpu"), _DTYPES[chosen], chosen, reason)


def cpu_bf16_unit() -> str:
    """``AMX`` or ``AVX512-BF16`` where this CPU multiplies bf16 natively, else empty.

    torch tells by underscored functions that come and go between its versions; a missing one means "not known".
    """
    for name, unit in (("_is_amx_tile_supported", "AMX"), ("_is_avx512_bf16_supported", "AVX512-BF16")):
        supported = getattr(torch.cpu, name, None)
        if supported is not None and supported():
            return unit
    return ""


def why_no_cuda() -> str:
    """What torch misses on a machine where it finds no CUDA device."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) is built without CUDA"
    try:
        torch.cuda.init()
    except RuntimeError as error:  # no driver, or one too old: torch says which
        return str(error).split(". ")[0]
    return "torch finds no NVIDIA GPU"

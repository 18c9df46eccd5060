"""Our weights file: safetensors whose metadata (see `metadata`) say everything that belongs to the weights.

Tensors are stored as float32 or float16; they are float32 once loaded.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.matching import check_finite, check_names, expected_shapes
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata, header, open_weights, parse_header
from ffstereo_ros.network.checkpoint.records import printable
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.model import FastFoundationStereo

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool)


@dataclass(frozen=True)
class LoadedWeights:
    """Checked weights: every tensor of `config` under its state-dict name, floats as finite float32."""

    config: NetworkConfig
    tensors: Mapping[str, Tensor]
    metadata: WeightsMetadata


def load_weights(path: str | Path) -> LoadedWeights:
    """Read and check one of our weights files.

    Raises WeightsError, beginning with the file's name, for anything missing, damaged or not fitting.
    """
    path = Path(path)
    try:
        entries, tensors = _read(path)
        metadata, config = parse_header(entries)
        check_names(expected_shapes(config), {name: tuple(t.shape) for name, t in tensors.items()})
        check_finite(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return LoadedWeights(config, tensors, metadata)


def build_model(loaded: LoadedWeights) -> FastFoundationStereo:
    """The network with these weights, float32 on the CPU, in evaluation mode."""
    model = FastFoundationStereo(loaded.config)
    model.load_state_dict(dict(loaded.tensors), strict=True)
    return model.eval()


def save_weights(path: str | Path, loaded: LoadedWeights, *, half: bool = False) -> None:
    """Write a weights file; it appears complete or not at all. `half` stores floats as float16 (half the size).

    Raises WeightsError when the weights do not fit their configuration or the file cannot be written.
    """
    path = Path(path)
    try:
        check_names(expected_shapes(loaded.config), {name: tuple(t.shape) for name, t in loaded.tensors.items()})
        tensors = {name: _storable(t, half) for name, t in loaded.tensors.items()}
        check_finite(tensors)
        _write(path, tensors, header(loaded.metadata, loaded.config))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _storable(tensor: Tensor, half: bool) -> Tensor:
    kept = tensor.detach().cpu().contiguous()
    return kept.to(torch.float16 if half else torch.float32) if kept.is_floating_point() else kept


def _write(path: Path, tensors: dict[str, Tensor], entries: dict[str, str]) -> None:
    """Write beside the target under a passing name, then rename: a reader never sees half a file."""
    passing = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        passing.touch()
        usual = passing.stat().st_mode
        save_file(tensors, passing, metadata=entries)
        passing.chmod(usual)  # safetensors leaves a file to its owner alone, and the node may run as somebody else
        os.replace(passing, path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot be written ({printable(error)}); choose a writable folder with room") from error
    finally:
        with contextlib.suppress(OSError):
            passing.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with open_weights(path, "pt") as file:
        entries = file.metadata() or {}
        try:
            tensors = {name: _loaded(name, file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  (not a dict)
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WeightsError(f"its tensors cannot be read ({printable(error, 80)}); download it again") from error
    return entries, tensors


def _loaded(name: str, tensor: Tensor) -> Tensor:
    if tensor.dtype in _INTEGERS:
        return tensor
    if tensor.dtype not in _FLOATS:
        raise WeightsError(f"tensor {printable(name)} is of type {tensor.dtype}, expected float16 or float32")
    return tensor.float()

"""Our weights file: safetensors whose metadata say everything that belongs to the weights.

Metadata entries: `format` (ffstereo_ros), `format_version`, `config` (NetworkConfig as JSON), `normalize` and
`max_disparity` (px; repeated from the configuration for people), `name`, `licence`, `source`, `source_sha256`, and
`extra` (JSON of strings, free). Tensors are float32 or float16; they are float32 once loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.matching import check_finite, check_names, config_from_dict, expected_shapes
from ffstereo_ros.network.checkpoint.records import printable
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.model import FastFoundationStereo

FORMAT = "ffstereo_ros"
FORMAT_VERSION = 1
_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class WeightsMetadata:
    """Where weights come from and under which terms; `extra` holds whatever their maker wants to add."""

    name: str
    licence: str
    source: str = ""
    source_sha256: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


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
        header, tensors = _read(path)
        metadata, config = _parse(header)
        check_names(expected_shapes(config), {name: tuple(t.shape) for name, t in tensors.items()})
        check_finite(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return LoadedWeights(config, tensors, metadata)


def read_metadata(path: str | Path) -> tuple[WeightsMetadata, NetworkConfig]:
    """What a weights file says about itself, without reading its tensors. Raises WeightsError as `load_weights`."""
    try:
        with _open(Path(path)) as file:
            return _parse(file.metadata() or {})
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


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
        _write(path, tensors, _header(loaded))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _storable(tensor: Tensor, half: bool) -> Tensor:
    kept = tensor.detach().cpu().contiguous()
    return kept.to(torch.float16 if half else torch.float32) if kept.is_floating_point() else kept


def _header(loaded: LoadedWeights) -> dict[str, str]:
    config, metadata = loaded.config, loaded.metadata
    return {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "name": metadata.name,
        "licence": metadata.licence,
        "source": metadata.source,
        "source_sha256": metadata.source_sha256,
        "normalize": str(config.volume.normalize).lower(),
        "max_disparity": str(config.max_disparity),
        "config": json.dumps(config.to_dict(), separators=(",", ":")),
        "extra": json.dumps(dict(metadata.extra), sort_keys=True),
    }


def _write(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    """Write beside the target under a passing name, then rename: a reader never sees half a file."""
    passing = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, passing, metadata=header)
        os.replace(passing, path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot be written ({printable(error)}); choose a writable folder with room") from error
    finally:
        with contextlib.suppress(OSError):
            passing.unlink(missing_ok=True)


def _open(path: Path) -> safe_open:
    if not path.is_file():
        raise WeightsError("no such file; `ffstereo weights list` shows what is there")
    if path.suffix in (".pth", ".pt"):
        raise WeightsError("is a pickled checkpoint; make it safe first: ffstereo convert FILE.pth FILE.safetensors")
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"is no complete safetensors file ({printable(error, 80)}); download it again") from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with _open(path) as file:
        header = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    return header, {n: t.float() if t.dtype in (*_HALF, torch.float64) else t for n, t in tensors.items()}


def _parse(header: Mapping[str, str]) -> tuple[WeightsMetadata, NetworkConfig]:
    """Metadata and configuration out of the file's header, checked against each other."""
    if header.get("format") != FORMAT:
        raise WeightsError("is a safetensors file without this package's metadata; convert the original checkpoint")
    if header.get("format_version") != str(FORMAT_VERSION):
        raise WeightsError(
            f"has format version {printable(header.get('format_version'), 20)}, this package reads {FORMAT_VERSION}; "
            "convert the original checkpoint again"
        )
    config = config_from_dict(_json(header, "config"))
    stated = (header.get("normalize"), header.get("max_disparity"))
    if stated != (str(config.volume.normalize).lower(), str(config.max_disparity)):
        raise WeightsError(f"says normalize and max_disparity {stated}, its network description says otherwise")
    extra = _json(header, "extra") if "extra" in header else {}
    if not isinstance(extra, dict):
        raise WeightsError("metadata entry extra is not a JSON object")
    texts = {name: header.get(name, "") for name in ("name", "licence", "source", "source_sha256")}
    return WeightsMetadata(**texts, extra={str(k): str(v) for k, v in extra.items()}), config


def _json(header: Mapping[str, str], entry: str) -> object:
    try:
        return json.loads(header[entry])
    except (KeyError, ValueError, RecursionError) as error:
        raise WeightsError(f"metadata entry {entry} is missing or no JSON; convert the checkpoint again") from error

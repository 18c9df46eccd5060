"""What a weights file says about itself, in the metadata of its safetensors header; needs no torch.

Entries: `format` (ffstereo_ros), `format_version`, `config` (NetworkConfig as JSON), `normalize` and `max_disparity`
(in px; repeated from the configuration for people), `name`, `licence`, `source`, `source_sha256`, and `extra` (a JSON
object of strings, free).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ffstereo_ros.errors import ParameterError, WeightsError
from ffstereo_ros.network.checkpoint.records import printable
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.params import BY_NAME

FORMAT = "ffstereo_ros"
FORMAT_VERSION = 1
_UNLIMITED = 64


@dataclass(frozen=True)
class WeightsMetadata:
    """Where weights come from and under which terms; `extra` holds whatever their maker wants to add."""

    name: str
    licence: str
    source: str = ""
    source_sha256: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def max_iterations(self) -> int:
        """Refinements beyond which these weights get worse: `max_iterations` of `extra`, else 64.

        Those of the paper were trained with many and only gain; a small network that was trained with two drifts off.
        """
        text = self.extra.get("max_iterations", "")
        return int(text) if text.isdecimal() and int(text) > 0 else _UNLIMITED

    @property
    def scale(self) -> float:
        """Image size at which these weights do best, relative to the camera's: `scale` of `extra`, else 1."""
        try:
            return float(BY_NAME["scale"].check(float(self.extra.get("scale", "1")))) or 1.0
        except (ValueError, ParameterError):
            return 1.0


def read_metadata(path: str | Path) -> tuple[WeightsMetadata, NetworkConfig]:
    """What a weights file says about itself, without reading its tensors. Raises WeightsError as `load_weights`."""
    try:
        with open_weights(Path(path), "numpy") as file:
            return parse_header(file.metadata() or {})
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def open_weights(path: Path, framework: str) -> safe_open:
    """The safetensors file, or a WeightsError that says what the file is instead."""
    if not path.is_file():
        raise WeightsError("no such file; `ffstereo weights list` shows what is there")
    if path.suffix in (".pth", ".pt"):
        raise WeightsError("is a pickled checkpoint; make it safe first: ffstereo convert FILE.pth FILE.safetensors")
    try:
        return safe_open(path, framework=framework, device="cpu")
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"is no complete safetensors file ({printable(error, 80)}); download it again") from error


def header(metadata: WeightsMetadata, config: NetworkConfig) -> dict[str, str]:
    """The metadata entries to write."""
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


def parse_header(header: Mapping[str, str]) -> tuple[WeightsMetadata, NetworkConfig]:
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


def config_from_dict(data: object) -> NetworkConfig:
    """`NetworkConfig.from_dict` for data from a file: raises WeightsError naming the entry that is wrong."""
    try:
        return NetworkConfig.from_dict(data)  # type: ignore[arg-type]
    except (ParameterError, TypeError, RecursionError) as error:
        raise WeightsError(f"its network description is wrong: {printable(error, 300)}") from error

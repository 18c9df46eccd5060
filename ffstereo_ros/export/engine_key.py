"""Everything an engine depends on. Two engines with one key are interchangeable; any difference can be named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from ffstereo_ros.errors import BackendError

# Changes when the exported graph changes its inputs, outputs or meaning without a new version of the package.
GRAPH_FORMAT = 1


@dataclass(frozen=True)
class EngineKey:
    """What an engine was, or has to be, built from and for.

    Attributes:
        library, library_version: ``tensorrt`` or ``tensorrt_rtx``, and its version.
        gpu: name and compute capability; TensorRT-RTX engines depend on the compute capability alone.
        driver: of the GPU; empty where the engine does not depend on it.
        height, width: px; 0 in a wish that leaves the size open.
        iterations: of the refinement.
        max_disparity: px.
        precision: ``fp16``, ``bf16`` or ``fp32``; empty in a wish that leaves it open.
        weights_sha256: of the weights file.
        package_version: of this package.
        custom_kernels: 1 where this package's CUDA kernels are plugins of the engine; either kind serves a wish.
    """

    library: str
    library_version: str
    gpu: str
    driver: str
    height: int
    width: int
    iterations: int
    max_disparity: int
    precision: str
    weights_sha256: str
    package_version: str
    custom_kernels: int = 0
    graph_format: int = GRAPH_FORMAT

    def digest(self) -> str:
        """24 hexadecimal digits: the name of the engine's folder in the cache."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def differences(self, wanted: EngineKey) -> list[str]:
        """What keeps this engine from serving ``wanted``, for people; none = it fits. What is left open always fits."""
        lines = []
        if (wanted.height, wanted.width) != (0, 0) and (self.height, self.width) != (wanted.height, wanted.width):
            lines.append(f"size {self.width}x{self.height} px, wanted {wanted.width}x{wanted.height} px")
        for name, text in _NAMES.items():
            mine, theirs = getattr(self, name), getattr(wanted, name)
            if mine != theirs and not (name == "precision" and theirs == ""):
                lines.append(f"{text} {_short(name, mine)}, wanted {_short(name, theirs)}")
        return lines

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EngineKey:
        """The inverse of `dataclasses.asdict`.

        Raises:
            BackendError: an entry is missing, unknown or of another type.
        """
        types = {field.name: _TYPES[str(field.type)] for field in fields(cls)}
        wrong = sorted(set(types) ^ set(data)) or [n for n, t in types.items() if type(data[n]) is not t]
        if wrong:
            raise BackendError(f"the key of the engine is not one of this version ({', '.join(wrong)}): build it again")
        return cls(**data)


_TYPES: dict[str, type] = {"str": str, "int": int}

_NAMES = {
    "library": "built by",
    "library_version": "TensorRT version",
    "gpu": "GPU",
    "driver": "driver",
    "iterations": "iterations",
    "max_disparity": "max_disparity (px)",
    "precision": "precision",
    "weights_sha256": "weights with sha256",
    "package_version": "ffstereo_ros version",
    "graph_format": "graph format",
}


def _short(name: str, value: object) -> str:
    text = str(value)
    return text[:12] + "..." if name == "weights_sha256" and len(text) > 12 else text or "none"

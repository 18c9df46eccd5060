"""What a machine needs to build an engine: the graph and the answers it must give. Made with torch, used without."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import BackendError, InputFileError
from ffstereo_ros.export.self_test import Answer, Case, pack_cases, record_cases, unpack_cases

if TYPE_CHECKING:
    from ffstereo_ros.export.onnx_graph import GraphSettings
    from ffstereo_ros.network.model import FastFoundationStereo

GRAPH, CASES, FACTS = "graph.onnx", "self_test.npz", "blueprint.json"

_FACTS: dict[str, type] = {
    "height": int,
    "width": int,
    "iterations": int,
    "max_disparity": int,
    "precision": str,
    "weights": str,
    "weights_sha256": str,
    "custom_kernels": int,
}


@dataclass(frozen=True)
class Blueprint:
    """An exported network.

    Attributes:
        onnx: the serialized graph.
        cases: the self-test, with PyTorch's answers.
        height, width, iterations, max_disparity, precision: what is fixed in the graph; sizes in px.
        weights, weights_sha256: name of the weights, and hash of their file.
        custom_kernels: 1 where the graph needs the plugin of our kernels.
    """

    onnx: bytes
    cases: tuple[Case, ...]
    height: int
    width: int
    iterations: int
    max_disparity: int
    precision: str
    weights: str
    weights_sha256: str
    custom_kernels: int = 0

    def write(self, folder: Path) -> None:
        """Three files, to be built from on another machine.

        Raises:
            InputFileError: the folder cannot be written.
        """
        facts = {name: getattr(self, name) for name in _FACTS}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / GRAPH).write_bytes(self.onnx)
            (folder / CASES).write_bytes(pack_cases(self.cases))
            (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n")
        except OSError as error:
            raise InputFileError(f"{folder} cannot be written ({error.strerror}): choose another folder") from error

    @classmethod
    def read(cls, folder: Path) -> Blueprint:
        """The inverse of `write`.

        Raises:
            InputFileError: a file is missing or damaged.
        """
        try:
            facts: dict[str, Any] = json.loads((folder / FACTS).read_text())
            wrong = [name for name, kind in _FACTS.items() if type(facts.get(name)) is not kind]
            if wrong or set(facts) != set(_FACTS):
                raise InputFileError(f"{folder / FACTS} is not of this version ({', '.join(wrong)}): export it again")
            cases = unpack_cases(folder / CASES, facts["height"], facts["width"])
            return cls((folder / GRAPH).read_bytes(), cases, **facts)
        except (OSError, ValueError, BackendError) as error:
            raise InputFileError(f"{folder} is no complete export ({error}): export it again") from error


def draw_blueprint(weights: Path, settings: GraphSettings) -> Blueprint:
    """Exports weights, and asks PyTorch in float32 for the answers of the self-test.

    Raises:
        FFStereoError: the weights or the settings are refused, or the export failed.
    """
    from ffstereo_ros.export.onnx_graph import export_onnx
    from ffstereo_ros.network.checkpoint.known import sha256_of
    from ffstereo_ros.network.checkpoint.store import build_model, load_weights

    model = build_model(load_weights(weights))
    graph = export_onnx(model, settings)
    cases = record_cases(_reference(model, settings), settings.height, settings.width, settings.max_disparity)
    return Blueprint(
        graph,
        cases,
        settings.height,
        settings.width,
        settings.iterations,
        settings.max_disparity,
        settings.precision,
        weights.stem,
        sha256_of(weights),
        int(settings.custom_kernels),
    )


def _reference(model: FastFoundationStereo, settings: GraphSettings) -> Answer:
    """PyTorch on the CPU in float32: what every engine of these weights is compared with."""
    import torch

    def answer(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            images = (torch.from_numpy(image).permute(2, 0, 1)[None].float() for image in (left, right))
            output = model(*images, settings.iterations, settings.max_disparity)
        return np.asarray(output.disparity[0, 0].numpy(), dtype=np.float32)

    return answer

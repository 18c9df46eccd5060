"""A run on disk: averaged weights anyone can load, and the full state to go on from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ffstereo_ros.errors import FFStereoError, InputFileError
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
from ffstereo_ros.network.checkpoint.records import printable
from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.training.average import WeightAverage
from ffstereo_ros.training.record import RunRecord

STATE_FILE = "state.pt"
WEIGHTS_FILE = "weights.safetensors"


@dataclass
class Progress:
    """How far a run has come: steps, pairs seen, and minutes spent over all its sittings."""

    step: int = 0
    samples: int = 0
    minutes: float = 0.0


def check_unused(output: Path) -> None:
    """Called before a new run.

    Raises:
        InputFileError: the folder holds the state or the weights of an earlier one.
    """
    if (output / STATE_FILE).exists():
        raise InputFileError(f"{output} holds a run: add --resume to go on with it, or choose another folder")
    if (output / WEIGHTS_FILE).exists():
        raise InputFileError(f"{output} holds {WEIGHTS_FILE} and no state to go on from: choose another folder")


def save_state(
    output: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    progress: Progress,
    record: RunRecord,
) -> None:
    """Writes the full state; the file appears complete or not at all.

    Raises:
        FFStereoError: it cannot be written.
    """
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.tensors,
        "progress": vars(progress),
        "run": record.to_plain(),
    }
    part = output / f"{STATE_FILE}.part"
    try:
        torch.save(state, part)
        os.replace(part, output / STATE_FILE)
    except (OSError, RuntimeError) as error:  # the latter from PyTorch's writer, where the disk is full
        part.unlink(missing_ok=True)
        reason = printable(error, 80)
        raise FFStereoError(f"{output / STATE_FILE} cannot be written ({reason}): is the disk full?") from error


def read_record(output: Path) -> RunRecord | None:
    """What the run in this folder remembers of itself; None where an earlier release made its state.

    Raises:
        InputFileError: there is no state, or a damaged one.
    """
    with _readable(output) as path:
        run = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get("run")
        return None if run is None else RunRecord.from_plain(run)


def load_state(output: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage) -> Progress:
    """Restores what `save_state` wrote; tensors, strings and numbers only, so a foreign file cannot run code.

    Raises:
        InputFileError: there is no state, or it does not fit this network.
    """
    with _readable(output) as path:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.tensors = {name: tensor.to(average.tensors[name]) for name, tensor in state["average"].items()}
        return Progress(**state["progress"])


@contextmanager
def _readable(output: Path) -> Iterator[Path]:
    """The state's path; whatever comes of reading it becomes a refusal."""
    path = output / STATE_FILE
    if not path.is_file():
        raise InputFileError(
            f"{path} does not exist: --resume continues a run of this folder; leave it out to start one"
        )
    try:
        yield path
    except Exception as error:  # damaged archives raise a dozen kinds
        reason = printable(error, 80)
        raise InputFileError(f"{path} cannot be continued from ({reason}): start anew in another folder") from error


def save_average(
    path: Path, config: NetworkConfig, average: WeightAverage, metadata: WeightsMetadata, *, half: bool = False
) -> None:
    """Writes the averaged weights as a file that every command's --weights accepts."""
    tensors = {name: tensor.detach().cpu() for name, tensor in average.tensors.items()}
    save_weights(path, LoadedWeights(config, tensors, metadata), half=half)

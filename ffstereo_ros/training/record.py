"""What a run on disk remembers of itself: the settings that define it, its network, and how its weights are named."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata, config_from_dict, read_metadata
from ffstereo_ros.network.checkpoint.records import printable
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.training.settings import CropPlan, TrainSettings, name_and_batch

Plain = str | int | float | bool | list[list[float]] | None  # what a state holds safely
# What the next sitting goes by where the command line says nothing else.
_DEFINING = (
    "preset", "init", "data", "seed", "learning_rate", "warmup", "weight_decay", "clip_norm", "average_decay",
    "iterations", "max_disparity", "crops", "enlarged", "frozen_norms", "robust_loss", "processes",
)  # fmt: skip
_BEGINNING = ("preset", "init")  # with another of these it is another run
_PATHS = ("init", "data")


@dataclass(frozen=True)
class RunRecord:
    """``settings``: those that define the run, by name, plain; paths are absolute."""

    identity: WeightsMetadata
    network: NetworkConfig
    settings: dict[str, Plain]

    def to_plain(self) -> dict[str, Any]:
        """Strings and numbers in lists and dictionaries."""
        identity = {"name": self.identity.name, "licence": self.identity.licence, "extra": dict(self.identity.extra)}
        return {"identity": identity, "network": json.dumps(self.network.to_dict()), "settings": self.settings}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> RunRecord:
        """What `to_plain` made; raises whatever comes of anything else."""
        identity = {name: str(plain["identity"][name]) for name in ("name", "licence")}
        extra = {str(name): str(value) for name, value in plain["identity"]["extra"].items()}
        settings = {str(name): value for name, value in plain["settings"].items()}
        if unknown := set(settings) - set(_DEFINING):
            raise ParameterError(f"unknown settings {', '.join(sorted(unknown))}: made by a newer release")
        network = config_from_dict(json.loads(plain["network"]))
        record = RunRecord(WeightsMetadata(**identity, extra=extra), network, settings)
        TrainSettings(Path(), resume=True, **record.arguments())
        return record

    def arguments(self) -> dict[str, Any]:
        """The settings as arguments of `TrainSettings`."""
        values: dict[str, Any] = dict(self.settings)
        for name in _PATHS:
            if values.get(name) is not None:
                values[name] = Path(values[name])
        if "crops" in values:
            values["crops"] = tuple(CropPlan(*row) for row in values["crops"])
        return values


def new_record(settings: TrainSettings, network: NetworkConfig) -> RunRecord:
    """Of a run that begins now; hours later the weights it begins with may be gone."""
    return RunRecord(_identity(settings), network, _defining(settings))


def go_on(record: RunRecord, settings: TrainSettings) -> tuple[RunRecord, str]:
    """The record of the next sitting and, for people, what is another than in the last one; empty = nothing.

    Raises:
        ParameterError: the network would be another one.
    """
    asked = _defining(settings)
    changed = [name for name, value in record.settings.items() if asked[name] != value]
    told = {name: f"{_shown(name, asked[name])} (before: {_shown(name, record.settings[name])})" for name in changed}
    for name in _BEGINNING:
        if name in changed:
            raise ParameterError(
                f"{settings.output} holds a run with {name} {_shown(name, record.settings[name])}, not "
                f"{_shown(name, asked[name])}: leave --{name} out to go on with it, or begin a run in another folder"
            )
    extra = {**record.identity.extra, "max_iterations": _most(settings, record.identity)}
    identity = replace(record.identity, extra=extra)
    changes = "; ".join(f"{name.replace('_', ' ')} {text}" for name, text in told.items())
    return RunRecord(identity, record.network, asked), changes


def _shown(name: str, value: Plain) -> str:
    if isinstance(value, list):
        return _crops_shown(tuple(CropPlan(*row) for row in value))  # type: ignore[arg-type]
    if value is None or isinstance(value, bool):
        return {None: "none", True: "on", False: "off"}[value]
    return f"{value:g}" if isinstance(value, float) else printable(value, 200)


def _crops_shown(crops: tuple[CropPlan, ...]) -> str:
    """Batches are told as they are: of some crops, several values of --batch make the same."""
    found, batches = name_and_batch(crops), sorted({crop.batch for crop in crops})
    name = found[0] if found else f"of {len(crops)} other kinds"
    return f"{name} in batches of {' to '.join(map(str, dict.fromkeys((batches[0], batches[-1]))))}"


def _defining(settings: TrainSettings) -> dict[str, Plain]:
    values: dict[str, Plain] = {name: getattr(settings, name) for name in _DEFINING}
    for name in _PATHS:
        path: Path | None = getattr(settings, name)
        values[name] = None if path is None else str(path.resolve())
    values["crops"] = [[c.height, c.width, c.batch, c.max_disparity, c.weight] for c in settings.crops]
    return values


def _identity(settings: TrainSettings) -> WeightsMetadata:
    """What the weights of this run say about themselves, but for how far it has come."""
    if settings.init is None:
        return WeightsMetadata(settings.preset, "Apache-2.0", extra={"max_iterations": str(settings.iterations)})
    began_with = read_metadata(settings.init)[0]
    licence = "that of the weights this run began with"
    extra = {**began_with.extra, "max_iterations": _most(settings, began_with)}
    return WeightsMetadata(settings.init.stem, licence, extra=extra)


def _most(settings: TrainSettings, before: WeightsMetadata) -> str:
    """Refinements that the weights have learnt."""
    return str(max(settings.iterations, before.max_iterations))

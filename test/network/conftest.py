"""The golden checkpoints as networks, read once per session."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from golden_data import NetworkSource, unpack

from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.store import build_model
from ffstereo_ros.network.model import FastFoundationStereo


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """Tests share the machine with others."""
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def golden_folder(shared: Path) -> Path:
    """Where the recorded runs of the authors' code lie."""
    return shared / "model" / "golden"


@pytest.fixture(scope="session")
def golden_network(golden_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> NetworkSource:
    """Gives the golden network ``full`` or ``searched`` with the asked normalisation, in evaluation mode."""
    folder = tmp_path_factory.mktemp("checkpoints")
    read: dict[str, FastFoundationStereo] = {}

    def get(name: str, normalize: bool) -> FastFoundationStereo:
        if name not in read:
            path = unpack(golden_folder / f"official_format_{name}.pth.xz", folder / f"{name}.pth")
            read[name] = build_model(load_official(path, normalize))
        model = read[name]
        volume = dataclasses.replace(model.config.volume, normalize=normalize)
        model.config = dataclasses.replace(model.config, volume=volume)
        return model.eval()

    return get

"""A run that is gone on with stays the run it was: what defines it lies in its state, not in the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ffstereo_ros.cli.main import main
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata, read_metadata
from ffstereo_ros.network.checkpoint.store import LoadedWeights, load_weights, save_weights
from ffstereo_ros.training import loop
from ffstereo_ros.training.scenes.sampler import sample_pair
from ffstereo_ros.training.settings import TrainSettings
from ffstereo_ros.training.start import fresh_model

_FINE_TUNE = (
    "--frozen-norms", "--robust-loss",
    "--learning-rate", "1e-5", "--crops", "tiny", "--batch", "2", "--iterations", "3",
)  # fmt: skip
Train = Callable[..., int]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loop, "_HELD_OUT", 1)
    monkeypatch.setattr(loop, "_LOG_EVERY", 1)
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainSettings]:
    """The settings of each run, as they reach the loop."""
    seen: list[TrainSettings] = []

    class Watched(loop._Run):
        def __init__(self, settings: TrainSettings, *others: object) -> None:
            seen.append(settings)
            super().__init__(settings, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_Run", Watched)
    return seen


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """The output of a fine-tune of one step, whose weights to begin with are gone since."""
    model = fresh_model("mini", 0)
    metadata = WeightsMetadata("theirs", "NVIDIA", extra={"scale": "1.5", "max_iterations": "2"})
    save_weights("theirs.safetensors", LoadedWeights(model.config, model.state_dict(), metadata))
    pair = sample_pair(1, 80, 150, 40)
    (tmp_path / "pairs" / "a").mkdir(parents=True)
    for name, image in (("left", pair.left), ("right", pair.right)):
        cv2.imwrite(f"pairs/a/{name}.png", image.permute(1, 2, 0).numpy()[:, :, ::-1])
    np.save("pairs/a/disp.npy", pair.disparity.numpy())
    begun = ("--init", "theirs.safetensors", "--data", "pairs", *_FINE_TUNE, "--seed", "5")
    assert _train("--output", "run", "--steps", "1", *begun) == 0
    Path("theirs.safetensors").unlink()
    return Path("run")


def _train(*arguments: str) -> int:
    return main(["train", "--workers", "0", "--device", "cpu", *arguments])


def _forget(output: Path) -> None:
    """Makes the state one of an earlier release."""
    state = torch.load(output / "state.pt", weights_only=True)
    torch.save({name: state[name] for name in ("model", "optimizer", "average", "progress")}, output / "state.pt")


def test_what_is_not_named_again_is_as_it_was(
    tuned: Path, asked: list[TrainSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_weights(tuned / "weights.safetensors")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    output = tmp_path / "run"
    assert _train("--output", str(output), "--resume", "--steps", "2") == 0
    settings = asked[0]
    assert (settings.learning_rate, settings.iterations, settings.seed) == (1e-5, 3, 5)
    assert settings.frozen_norms
    assert settings.robust_loss
    assert settings.data == tmp_path / "pairs"
    assert [(crop.width, crop.batch) for crop in settings.crops] == [(128, 1)]
    after = load_weights(output / "weights.safetensors")
    statistics = [name for name in before.tensors if name.endswith((".bn.running_mean", ".bn.running_var"))]
    assert all(torch.equal(before.tensors[name], after.tensors[name]) for name in statistics)
    metadata = read_metadata(output / "weights.safetensors")[0]
    assert (metadata.name, metadata.licence) == ("theirs", "that of the weights this run began with")
    assert metadata.scale == 1.5
    assert metadata.source.startswith("2 pairs, seed 5")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (("--learning-rate", "1e-4"), "learning rate 0.0001 (before: 1e-05)"),
        (("--seed", "6", "--enlarged", "0.5"), "seed 6 (before: 5); enlarged 0.5 (before: 0.4)"),
        (("--batch", "8"), "crops tiny in batches of 4 (before: tiny in batches of 1)"),
        (("--iterations", "4"), "iterations 4 (before: 3)"),
    ],
)
def test_what_is_named_otherwise_goes_and_is_told(
    named: tuple[str, ...], told: str, tuned: Path, asked: list[TrainSettings], caplog: pytest.LogCaptureFixture
) -> None:
    assert _train("--output", "run", "--resume", "--steps", "2", *named) == 0
    assert f"run goes on with {told}" in caplog.messages
    caplog.clear()
    assert _train("--output", "run", "--resume", "--steps", "3") == 0
    assert asked[1] == replace(asked[0], steps=3)  # remembered from then on
    assert "goes on with" not in caplog.text
    metadata = read_metadata(tuned / "weights.safetensors")[0]
    assert metadata.max_iterations == asked[1].iterations
    assert metadata.name == "theirs"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (("--preset", "small"), "preset mini, not small: leave --preset out"),
        (("--init", "run/weights.safetensors"), "run/weights.safetensors: leave --init out"),
    ],
)
def test_another_network_is_refused(
    named: tuple[str, ...], told: str, tuned: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (tuned / "state.pt").read_bytes()
    capfd.readouterr()
    assert _train("--output", "run", "--resume", "--steps", "2", *named) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("ffstereo train: run holds a run with ")
    assert told in error
    assert (tuned / "state.pt").read_bytes() == before


def test_the_same_values_may_be_named_again(tuned: Path) -> None:
    assert _train("--output", "run", "--resume", "--steps", "2", "--data", "./pairs", *_FINE_TUNE, "--seed", "5") == 0


def test_a_state_without_settings_leaves_them_to_the_command_line(tuned: Path, asked: list[TrainSettings]) -> None:
    _forget(tuned)
    named = ("--learning-rate", "2e-5", "--crops", "tiny")
    assert _train("--output", "run", "--resume", "--steps", "2", *named) == 0
    assert (asked[0].learning_rate, asked[0].data) == (2e-5, None)
    assert _train("--output", "run", "--resume", "--steps", "3") == 0
    assert asked[1] == replace(asked[0], steps=3, init=None)


def test_the_state_holds_plain_values_only(tuned: Path) -> None:
    state = torch.load(tuned / "state.pt", weights_only=True)
    assert json.loads(json.dumps(state["run"])) == state["run"]


@pytest.mark.parametrize("wrong", [{"settings": 3}, {"settings": {"seed": "x"}}, {"settings": {"output": "/"}}, []])
def test_a_state_with_settings_that_are_none_is_told(
    wrong: object, tuned: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(tuned / "state.pt", weights_only=True)
    state["run"] = state["run"] | wrong if isinstance(wrong, dict) else wrong
    torch.save(state, tuned / "state.pt")
    capfd.readouterr()
    assert _train("--output", "run", "--resume", "--steps", "2") == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "state.pt cannot be continued from" in error


def test_a_run_that_is_over_says_so(tuned: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _train("--output", "run", "--resume", "--steps", "1") == 0
    assert "run has come to 1 step(s)" in caplog.text
    assert "more --steps or --minutes" in caplog.text

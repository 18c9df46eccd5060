"""``ffstereo train``: what is missing or misspelt is told before the first step."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from bare_python import ffstereo_without

from ffstereo_ros.cli.main import main
from ffstereo_ros.training.settings import TrainSettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["torch", "safetensors", "tqdm", "matplotlib"])
def test_a_missing_package_is_named_and_nothing_begins(package: str, tmp_path: Path) -> None:
    told = ffstereo_without(package, "train", "--output", str(tmp_path / "run"))
    assert told.returncode == 1
    assert told.stderr == f"ffstereo train: {package} is not installed: pip install {package}\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("device", ["foo", "cuda:", "mps", "meta"])
def test_a_device_that_is_none(device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="needs torch")
    assert main(["train", "--device", device, "--steps", "1", "--output", str(tmp_path / "run")]) == 1
    assert f"device is '{device}': allowed are auto, cpu, cuda and cuda:N" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def _documented() -> list[list[str]]:
    lines = (ROOT / "docs" / "training" / "README.md").read_text().splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("ffstereo train ")]


@pytest.mark.parametrize("command", _documented(), ids=" ".join)
def test_documented_commands_last_as_long_as_they_say(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from ffstereo_ros.training import loop

    asked: list[TrainSettings] = []

    def train(settings: TrainSettings) -> loop.TrainResult:
        asked.append(settings)
        return loop.TrainResult(loop.Progress(), [], {})

    monkeypatch.setattr(loop, "train", train)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "weights.safetensors").touch()
    if "--resume" in command:
        torch.save({"progress": {}}, tmp_path / "out" / "state.pt")
    assert main(command) == 0
    limits = {name: float(command[command.index(name) + 1]) for name in ("--steps", "--minutes") if name in command}
    assert limits == {
        name: limit for name, limit in (("--steps", asked[0].step_limit), ("--minutes", asked[0].minutes)) if limit
    }

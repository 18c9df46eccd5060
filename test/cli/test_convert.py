"""``ffstereo convert`` on files in the authors' format."""

from __future__ import annotations

import importlib.util
import os
import pickle
import zipfile
from pathlib import Path

import pytest
from claimed_classes import save_official
from official_format import Writer
from small_networks import ARRANGEMENTS

from ffstereo_ros.cli.main import main
from ffstereo_ros.network.checkpoint.store import load_weights


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint that does not say whether to normalise."""
    return save_official(Writer(ARRANGEMENTS["searched"]).network(), tmp_path_factory.mktemp("convert") / "net.pth")


@pytest.mark.parametrize("flag", ["true", "false"])
def test_converts_with_the_flag(
    flag: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "net.safetensors"
    assert main(["convert", str(checkpoint), str(output), "--normalize-correlation", flag]) == 0
    assert load_weights(output).config.volume.normalize is (flag == "true")
    assert f"normalised correlation: {flag}, largest disparity 192 px" in capsys.readouterr().out


def test_auto_asks_where_nobody_knows(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(checkpoint), str(tmp_path / "x.safetensors")]) == 1
    assert "--normalize-correlation true" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_auto_believes_the_file(tmp_path: Path) -> None:
    path = save_official(Writer(ARRANGEMENTS["searched"]).network(normalize=False), tmp_path / "net.pth")
    assert main(["convert", str(path), str(tmp_path / "net.safetensors")]) == 0
    assert load_weights(tmp_path / "net.safetensors").config.volume.normalize is False


def test_existing_output_is_kept_without_force(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "net.safetensors"
    output.write_text("precious")
    command = ["convert", str(checkpoint), str(output), "--normalize-correlation", "true"]
    assert main(command) == 1
    assert output.read_text() == "precious"
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    load_weights(output)


def test_malicious_file_runs_nothing_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    with zipfile.ZipFile(tmp_path / "evil.pth", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Evil()))
    arguments = [str(tmp_path / "evil.pth"), str(tmp_path / "x.safetensors"), "--normalize-correlation", "true"]
    assert main(["convert", *arguments]) == 1
    error = capsys.readouterr().err
    assert "posix.system" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize("output", ["net.pth", "net", "net.onnx"])
def test_other_output_names_are_refused(output: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(checkpoint), str(checkpoint.parent / output), "--force"]) == 1
    assert "must end in .safetensors" in capsys.readouterr().err


def test_missing_package_is_named(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else found(name, *a))
    assert main(["convert", str(checkpoint), str(tmp_path / "x.safetensors")]) == 1
    assert "torch not installed: pip install torch" in capsys.readouterr().err


def test_missing_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tmp_path / "nowhere.pth"), str(tmp_path / "x.safetensors")]) == 1
    assert "nowhere.pth: no such file" in capsys.readouterr().err

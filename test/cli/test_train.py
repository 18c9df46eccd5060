"""``ffstereo train``: what is missing or misspelt is told before the first step."""

from __future__ import annotations

from pathlib import Path

import pytest
from bare_python import ffstereo_without

from ffstereo_ros.cli.main import main


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

"""The demo as a user runs it: real processes, real DDS, real files."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from bare_python import ffstereo_without

pytest.importorskip("rclpy", reason="needs rclpy: ROS 2, or its wheels")
pytest.importorskip("skimage", reason="needs scikit-image")

from ffstereo_ros.cli.main import main
from ffstereo_ros.demo.folder import claim


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ffstereo_ros.cli.main", "demo", "--output", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_motorcycle_comes_out_in_depth(tmp_path: Path) -> None:
    run = demo(tmp_path, "--backend", "sgbm", "--pairs", "6")
    assert run.returncode == 0, run.stdout + run.stderr
    (row,) = json.loads((tmp_path / "scores.json").read_text())
    assert row["scores"]["bad2"] < 25.0
    traffic = row["traffic"]
    assert 1 <= traffic["out"] <= traffic["into"] <= traffic["sent"] == 6
    assert traffic["into"] == traffic["out"] + traffic["dropped"]
    assert cv2.imread(str(tmp_path / "demo.png")) is not None
    assert (tmp_path / "cloud.ply").stat().st_size > 1_000_000
    assert [path.suffix for path in (tmp_path / "bag").glob("bag.mcap")] == [".mcap"]
    assert "bad2" in run.stdout


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="needs a machine without TensorRT")
def test_a_backend_that_cannot_run_is_refused_in_one_line_and_nothing_is_touched(tmp_path: Path) -> None:
    run = demo(tmp_path / "out", "--backend", "tensorrt")
    assert run.returncode == 1
    assert run.stderr.startswith("ffstereo demo: tensorrt")
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The folder of an earlier demo."""
    claim(tmp_path)
    (tmp_path / "demo.png").write_text("earlier")
    return tmp_path


@pytest.mark.parametrize("pairs", ["0", "-1"])
def test_no_pairs_are_refused_and_the_last_demo_stays(
    pairs: str, earlier: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--output", str(earlier), "--backend", "sgbm", "--pairs", pairs]) == 1
    assert f"--pairs {pairs}: at least 1 is needed" in capsys.readouterr().err
    assert (earlier / "demo.png").read_text() == "earlier"


@pytest.mark.parametrize(
    ("absent", "line"),
    [
        ("rclpy", "the demo needs ROS 2 (No module named 'rclpy'): source one, or run `make demo`"),
        ("matplotlib", "matplotlib is not installed: pip install matplotlib"),
        ("rosbags", "rosbags is not installed: pip install rosbags"),
    ],
)
def test_what_is_missing_is_told_first_and_the_last_demo_stays(absent: str, line: str, earlier: Path) -> None:
    run = ffstereo_without(absent, "demo", "--output", str(earlier), "--backend", "sgbm", "--pairs", "1")
    assert run.returncode == 1
    assert run.stderr.startswith(f"ffstereo demo: {line}")
    assert len(run.stderr.splitlines()) == 1
    assert (earlier / "demo.png").read_text() == "earlier"

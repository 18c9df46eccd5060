"""The demo as a user runs it: real processes, real DDS, real files."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: ROS 2, or its wheels")
pytest.importorskip("skimage", reason="needs scikit-image")


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

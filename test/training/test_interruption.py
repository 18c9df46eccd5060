"""Ctrl-C during a run, and a disk that is full when its state is to be written."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ffstereo_ros.cli.main import main
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.training import loop, parallel, state
from ffstereo_ros.training.settings import CropPlan, TrainSettings

ARGUMENTS = ("train", "--crops", "tiny", "--workers", "1")
COMMAND = (sys.executable, "-m", "ffstereo_ros.cli.main", *ARGUMENTS)


def _until(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"no {path.name}"
        time.sleep(0.05)


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_ends_a_run_with_its_state_written(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"
    options = ["--processes", str(processes), "--output", str(output)]
    with subprocess.Popen(
        [*COMMAND, *options, "--steps", "100000"], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        _until(output / "losses.csv", process)  # written after the first step
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the helpers, too
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "go on with --resume" in told
    assert "Traceback" not in told
    done = torch.load(output / "state.pt", weights_only=True)["progress"]["step"]
    assert done >= 1
    monkeypatch.setattr(loop, "_HELD_OUT", 1)
    assert main([*ARGUMENTS, *options, "--steps", str(done + 1), "--resume"]) == 0
    assert torch.load(output / "state.pt", weights_only=True)["progress"]["step"] == done + 1


def _end_slowly(path: Path, _: int) -> None:
    time.sleep(1.0)
    path.touch()


def test_after_ctrl_c_helpers_come_to_their_own_end(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    with pytest.raises(KeyboardInterrupt), parallel.helpers(functools.partial(_end_slowly, ended), tmp_path, 2):
        raise KeyboardInterrupt
    assert ended.is_file()


def test_a_process_that_fails_is_told_in_a_line(tmp_path: Path) -> None:
    pair = tmp_path / "pairs" / "one"
    pair.mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    for name in ("left.png", "right.png"):
        cv2.imwrite(str(pair / name), image)
    cv2.imwrite(str(pair / "disp.png"), np.full((96, 160), 256 * 9, np.uint16))
    output = tmp_path / "run"
    options = ["--processes", "2", "--data", str(pair.parent), "--output", str(output), "--steps", "100000"]
    with subprocess.Popen([*COMMAND, *options], stderr=subprocess.PIPE, text=True) as process:
        _until(output / "losses.csv", process)
        (pair / "left.png").write_bytes(b"")
        _, told = process.communicate(timeout=120)
    assert process.returncode == 1, told
    assert "left.png" in told
    assert "Traceback" not in told


def test_a_helper_ends_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> None:
        raise FFStereoError("left.png is damaged")

    monkeypatch.setattr(loop, "_Run", run)
    monkeypatch.setattr(loop, "ignore_interrupts", lambda: None)
    with pytest.raises(SystemExit, match=r"^process 1 of the run: left\.png is damaged$"):
        loop._help(_settings(tmp_path), None, 1)


def test_the_end_of_another_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = parallel.GradientExchange(tmp_path, 0, 1)
    exchange.count = 2

    def all_reduce(_: object) -> None:
        raise RuntimeError("[pair.cc:547] Connection closed by peer")

    monkeypatch.setattr(parallel.dist, "all_reduce", all_reduce)
    with pytest.raises(FFStereoError, match="another process of the run has ended; go on with --resume"):
        exchange.average(torch.nn.Linear(1, 1), 0.0)


def _settings(output: Path) -> TrainSettings:
    crops = (CropPlan(64, 128, 1, 64, 1.0),)
    return TrainSettings(output=output, steps=3, crops=crops, workers=0, save_minutes=0.0)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The disk is full for the number of times that the list holds."""
    left = [0]
    real = torch.save

    def save(*arguments: object) -> None:
        if left[0]:
            left[0] -= 1
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 960 vs 854")
        real(*arguments)

    monkeypatch.setattr(state.torch, "save", save)
    monkeypatch.setattr(loop, "_HELD_OUT", 1)
    return left


def test_a_full_disk_does_not_end_a_run(tmp_path: Path, full: list[int], caplog: pytest.LogCaptureFixture) -> None:
    full[0] = 2
    assert loop.train(_settings(tmp_path)).progress.step == 3
    assert caplog.text.count("state.pt cannot be written") == 2
    assert (tmp_path / "state.pt").is_file()


def test_a_disk_that_is_full_at_the_end_is_told_in_one_line(tmp_path: Path, full: list[int]) -> None:
    full[0] = 9
    with pytest.raises(FFStereoError, match=r"state\.pt cannot be written \(.*\): is the disk full\?$"):
        loop.train(replace(_settings(tmp_path), steps=1))
    assert not list(tmp_path.glob("*.part"))

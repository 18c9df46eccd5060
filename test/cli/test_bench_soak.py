"""A minute of the soak: nothing dies, nothing is lost count of, and memory stays."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from ffstereo_ros.cli.main import main

pytest.importorskip("rclpy", reason="needs rclpy: ROS 2, or the ros-jazzy-* wheels of PyPI")

from ffstereo_ros.ros.bench.soak import WARM_S, pieces, private_memory, spread


def test_a_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, report = tmp_path / "soak.json", tmp_path / "soak.md"
    status = main(["bench", "soak", "--minutes", "1", "--json", str(file), "--report", str(report)])
    table = capsys.readouterr().out
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["faults"] == [], table
    assert status == 0
    assert result["sets"] == result["published"] + sum(result["dropped"].values())
    assert result["sent"] >= result["sets"] > 500
    assert sum(result["bad"].values()) >= result["dropped"]["bad_image"] + result["dropped"]["bad_calibration"] > 0
    assert result["heard"] > 100
    assert 0 < result["latency"]["p50"] <= result["latency"]["p99"] <= result["latency"]["max"] < 20_000
    assert result["jumps"] >= 2
    assert result["done"]["killed"] >= 1
    assert min(result["done"][name] for name in ("restarts", "parameters set", "parameters refused")) >= 2
    assert table in report.read_text(encoding="utf-8")


def test_the_memory_of_the_time_after_the_first_minute() -> None:
    samples = [(float(second), 500.0 if second < WARM_S else 100.0 + second % 7) for second in range(661)]
    assert pieces(samples) == [103.0] * 10
    assert spread(pieces(samples)) == 0.0
    leak = [(when, amount + 0.1 * when) for when, amount in samples]
    assert spread(pieces(leak)) == pytest.approx(54.0 / 112.0, abs=0.01)
    assert pieces(samples[:60]) == []
    assert math.isnan(spread([]))
    assert len(pieces(samples[:106])) == 3


def test_private_memory_is_that_of_a_process() -> None:
    assert 5 < private_memory(os.getpid()) < 5000
    assert math.isnan(private_memory(2**22 + 1))


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["--size", "640"], "--size 640: a size is"), (["--minutes", "0"], "both must be above 0")],
)
def test_what_cannot_be_run_is_refused(options: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "soak", *options]) == 1
    assert reason in capsys.readouterr().err

"""A minute of the soak: nothing dies, nothing is lost count of, and memory stays."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from ffstereo_ros.cli.main import main

pytest.importorskip("rclpy", reason="needs rclpy: ROS 2, or the ros-jazzy-* wheels of PyPI")

from ffstereo_ros.ros.bench.soak_memory import WARM_S, growth, peaks, private_memory, weighed


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


def test_growth_is_that_of_the_time_after_the_first_minute() -> None:
    start = 5000.0
    samples = [(start + second, 500.0 if second < WARM_S else 100.0 + second % 7) for second in range(661)]
    rests = [(start + second, start + second + 2) for second in (30.0, 150.0, 325.0, 500.0)]
    assert peaks(samples) == [106.0, 106.0]
    assert weighed(samples, rests) == [104.0, 104.0, 104.0]
    assert growth(peaks(samples)) == growth(weighed(samples, rests)) == 0.0
    leak = [(when, amount + 0.1 * (when - start)) for when, amount in samples]
    assert growth(peaks(leak)) == pytest.approx(30.0 / 141.5, abs=0.01)
    assert growth(weighed(leak, rests)) == pytest.approx(35.0 / 119.1, abs=0.01)
    # What is given back is no growth.
    assert growth([150.0, 120.0, 130.0]) == pytest.approx(-20.0 / 150.0)


def test_too_short_a_time_has_no_growth() -> None:
    assert peaks([]) == peaks([(float(second), 100.0) for second in range(60)]) == []
    assert weighed([], [(0.0, 1.0)]) == weighed([(0.0, 1.0)], [(90.0, 92.0)]) == []
    assert math.isnan(growth([]))
    assert math.isnan(growth([100.0]))


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

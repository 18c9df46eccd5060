"""The benchmark runs for real, short: its figures add up, and its table and JSON agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffstereo_ros.cli.main import main

pytest.importorskip("rclpy", reason="needs rclpy: ROS 2, or the ros-jazzy-* wheels of PyPI")


@pytest.mark.parametrize("profile", ["with", "composed"])
def test_one_case(profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "node.json"
    report = tmp_path / "node.md"
    options = ["--report", str(report), "--sizes", "160x120", "--rates", "10", "--profiles", profile, "--seconds", "2"]
    assert main(["bench", "node", "--json", str(file), *options]) == 0
    result = json.loads(file.read_text(encoding="utf-8"))
    (case,) = result["cases"]
    assert case["sent"] == 20
    assert case["sets"] == case["published"] + sum(case["dropped"].values())
    assert 0 < case["received"] <= case["published"] <= case["sets"] <= 20
    # Stamped, then arrived, then published: each span holds the next.
    assert 0 < case["added_p50"] < case["stamped_p50"]
    assert 0 < case["cpu_share"] < 1
    table = capsys.readouterr().out
    assert table.splitlines()[2].startswith(
        f"| 160x120 | 10 | {profile} | 20 | {case['sets']} | {case['published']} | {case['received']} |"
    )
    assert table in report.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", ["640", "640x", "31x480", "axb"])
def test_a_size_that_is_none_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "node", "--sizes", size]) == 1
    assert f"--sizes {size}: a size is WIDTHxHEIGHT" in capsys.readouterr().err

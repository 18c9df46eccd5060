"""The benchmark runs for real, small: its figures hang together, and table, page and JSON agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffstereo_ros.cli.bench_images import scene_images
from ffstereo_ros.cli.main import main

torch = pytest.importorskip("torch", reason="needs torch")


def test_one_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, report = tmp_path / "network.json", tmp_path / "network.md"
    size = ["--size", "64x96", "--max-disparity", "64", "--iterations", "2", "--runs", "3"]
    assert main(["bench", "network", "mini", "--json", str(file), "--report", str(report), *size]) == 0
    (network,) = json.loads(file.read_text(encoding="utf-8"))["networks"]
    assert network["iterations"] == 2
    assert 0 < network["memory_before_mb"] <= network["memory_peak_mb"]
    for way in (network["as_run"], network["plain"]):
        assert len(way["seconds"]) == 3
        assert min(way["seconds"]) <= way["median"] <= max(way["seconds"])
        assert all(seconds > 0 for stage, seconds in way["stages"].items() if stage != "rest")
        assert sum(way["stages"].values()) > 0
    assert network["as_run"]["gflop"] < network["plain"]["gflop"]  # the context's part is computed once
    assert network["gain"] == pytest.approx(network["plain"]["median"] / network["as_run"]["median"])
    tables = capsys.readouterr().out
    assert f"| mini | 2 | plain, fp32 | {network['plain']['median']:.3f} |" in tables
    assert tables in report.read_text(encoding="utf-8")


def test_it_looks_at_a_scene_and_always_at_the_same() -> None:
    images = scene_images(64, 96)
    assert (images.shape, images.dtype, images.is_contiguous()) == ((2, 64, 96, 3), torch.uint8, True)
    assert not torch.equal(images[0], images[1])
    assert torch.equal(images, scene_images(64, 96))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--size", "640"], "size '640': rows x columns"),
        (["--iterations", "0"], "iterations = 0"),
        (["--size", "64x96", "96x64"], "--size has 2 values: the CPU takes one, --device cuda takes more"),
        (["--max-disparity", "100"], "max_disparity"),
        (["--threads", "0"], "--threads = 0: at least 1"),
        (["--runs", "0"], "--runs = 0: at least 1"),
        (["no-such-weights"], "weights = 'no-such-weights': no such file"),
    ],
)
def test_what_it_refuses(option: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "network", *option]) == 1
    assert message in capsys.readouterr().err

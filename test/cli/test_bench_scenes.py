"""``ffstereo bench scenes`` on a CPU, for real, with a small bank of textures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffstereo_ros.cli.bench_scenes import pairs_per_second
from ffstereo_ros.cli.main import main

torch = pytest.importorskip("torch", reason="needs torch")

from ffstereo_ros.training.measure import Stage  # noqa: E402
from ffstereo_ros.training.scenes import silhouettes, textures  # noqa: E402


def test_figures_of_every_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textures, "BANK_SIZE", 2)
    monkeypatch.setattr(silhouettes, "BANK_SIZE", 2)
    files = (tmp_path / "scenes.json", tmp_path / "scenes.md")
    options = ["--size", "32x64", "--batch", "1", "--batches", "3", "--json", str(files[0]), "--report", str(files[1])]
    assert main(["bench", "scenes", *options]) == 0
    figures = json.loads(files[0].read_text())
    assert [stage["name"] for stage in figures["stages"]] == ["drawing", "painting", "photographing"]
    assert all(0 < stage["low"] <= stage["median"] <= stage["high"] for stage in figures["stages"])
    assert figures["pairs_per_s"] == pytest.approx(2e3 / sum(stage["median"] for stage in figures["stages"]))
    told = f"{figures['pairs_per_s']:.0f} pairs a second at 32x64 px"
    assert told in capsys.readouterr().out
    page = files[1].read_text()
    assert told in page
    assert "`ffstereo bench scenes --device cpu --size 32x64` writes this page" in page


def test_on_a_gpu_the_workers_drawing_does_not_count() -> None:
    stages = [Stage("drawing", 3, 4, 5), Stage("painting", 0.2, 0.3, 0.4), Stage("photographing", 0.6, 0.7, 0.8)]
    assert pairs_per_second(stages, on_gpu=True) == pytest.approx(2000)
    assert pairs_per_second(stages, on_gpu=False) == pytest.approx(400)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "32"], "32"),
        (["--batches", "1"], "batches = 1: at least 2 is needed"),
        (["--device", "cuda"], "CUDA"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "cuda" in options and torch.cuda.is_available():
        pytest.skip("a GPU is here")
    assert main(["bench", "scenes", *options]) != 0
    assert message in capsys.readouterr().err

"""The measurement itself, with random weights: the reference is at no distance from itself, and errors are one line."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffstereo_ros.cli.main import main

BAG = "bags/euroc_v101_rect_mcap"


def test_the_reference_is_at_no_distance_from_itself(shared: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
    from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
    from ffstereo_ros.network.model import FastFoundationStereo
    from ffstereo_ros.network.presets import mini_config

    torch.manual_seed(0)
    config, weights = mini_config(), tmp_path / "net.safetensors"
    page, file = tmp_path / "page.md", tmp_path / "rows.json"
    tensors = dict(FastFoundationStereo(config).state_dict())
    save_weights(weights, LoadedWeights(config, tensors, WeightsMetadata("net", "test")))
    options = ["--backend", "torch", "--weights", str(weights), "--iterations", "2", "--scale", "0.125"]
    command = ["bench", "warm-start", str(shared / BAG), "--try", "1", "2", "--limit", "7", "--json", str(file)]
    assert main([*command, "--report", str(page), *options]) == 0
    assert "| 2 | 0.000 | 0.0 |" in page.read_text(encoding="utf-8")
    one, two = json.loads(file.read_text(encoding="utf-8"))
    assert (one["iterations"], two["iterations"]) == (1, 2)
    assert two["cold_mean"] == two["cold_above_1px"] == 0
    assert one["cold_mean"] > 0
    assert two["warm_mean"] > 0  # from the last frame another way is taken


def test_scenes_are_judged_by_their_truth(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch")
    page, file = tmp_path / "page.md", tmp_path / "rows.json"
    options = ["--backend", "torch", "--scale", "0.25", "--max-disparity", "32", "--frames", "6"]
    command = ["bench", "warm-start", str(shared / "scenes/mb2001_tsukuba"), "--try", "1", *options]
    assert main([*command, "--json", str(file), "--report", str(page)]) == 0
    cold, warm = json.loads(file.read_text(encoding="utf-8"))
    assert (cold["start"], warm["start"]) == ("cold", "warm")
    for row in (cold, warm):
        assert 0 < row["errors"]["epe"] < 5
    assert "| 1 | warm | 1 |" in page.read_text(encoding="utf-8")


def test_scenes_without_truth_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="needs torch")
    for name in ("left", "right"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((64, 96, 3), np.uint8))
    assert main(["bench", "warm-start", str(tmp_path), "--backend", "torch", "--try", "1", "--frames", "6"]) != 0
    assert "none of the 1 scenes has truth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "line"),
    [(("--limit", "4"), "4 stereo pairs: more than 5 are needed"), (("--backend", "sgbm"), "only backend torch")],
)
def test_what_cannot_be_measured_is_refused(
    options: tuple[str, ...], line: str, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "warm-start", str(shared / BAG), *options]) != 0
    assert line in capsys.readouterr().err

"""The demo's figures on answers whose errors are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.geometry import depth_from_disparity
from ffstereo_ros.demo.motorcycle import KnownPair
from ffstereo_ros.demo.scores import judge
from ffstereo_ros.demo.table import Row, Traffic, format_table, write_json


def test_a_perfect_answer(pair: KnownPair) -> None:
    scores = judge(pair.truth, depth_from_disparity(pair.truth, pair.camera), pair)
    assert (scores.answered, scores.bad2, scores.epe, scores.depth_median) == (100.0, 0.0, 0.0, 0.0)


def test_silence_is_bad_and_leaves_the_mean_of_the_rest(pair: KnownPair) -> None:
    disparity = pair.truth + np.float32(1.0)
    disparity[:, :10] = np.nan  # of 40 columns, all with truth
    scores = judge(disparity, depth_from_disparity(disparity, pair.camera), pair)
    assert scores.bad2 == pytest.approx(25.0)
    assert scores.answered == pytest.approx(75.0)
    assert scores.epe == pytest.approx(1.0, abs=1e-6)


def test_depth_errors_are_in_millimetres(pair: KnownPair) -> None:
    depth = depth_from_disparity(pair.truth, pair.camera) + np.float32(0.005)
    scores = judge(pair.truth, depth, pair)
    assert scores.depth_median == pytest.approx(5.0, abs=1e-3)  # worst measured: 1e-4, float32 of 2 m


def test_truth_that_nobody_measured_does_not_count(pair: KnownPair) -> None:
    holed = replace(pair, truth=np.where(np.arange(40) < 30, pair.truth, np.float32(np.nan)))
    wrong_there = np.where(np.arange(40) < 30, pair.truth, np.float32(99.0))
    assert judge(wrong_there, depth_from_disparity(wrong_there, pair.camera), holed).bad2 == 0.0


def test_no_answer_at_all_is_no_crash(pair: KnownPair) -> None:
    nothing = np.full_like(pair.truth, np.nan)
    scores = judge(nothing, nothing, pair)
    assert (scores.bad2, scores.answered) == (100.0, 0.0)
    assert np.isnan(scores.epe)


def test_the_table_says_it_all_in_aligned_columns(pair: KnownPair, tmp_path: Path) -> None:
    scores = judge(pair.truth, depth_from_disparity(pair.truth, pair.camera), pair)
    rows = [Row("sgbm", scores, Traffic(50, 49, 40, 9, 21.4, 35.6))]
    text = format_table(rows)
    assert "49 > 40, 9" in text
    assert "21 / 36" in text
    heading, units, rule, line = text.splitlines()
    assert heading.index("EPE") == units.index("px") == line.index("0.00")
    assert set(rule) == {"-", " "}
    write_json(tmp_path / "scores.json", rows)
    assert json.loads((tmp_path / "scores.json").read_text())[0]["traffic"]["dropped"] == 9


def test_the_motorcycle_is_the_left_image_s_truth() -> None:
    pytest.importorskip("skimage", reason="needs scikit-image")
    from ffstereo_ros.demo.motorcycle import load_motorcycle

    motorcycle = load_motorcycle()
    assert isinstance(motorcycle.camera, StereoCamera)
    rows, columns = np.nonzero(np.isfinite(motorcycle.truth))
    there = np.rint(columns - motorcycle.truth[rows, columns]).astype(int)
    rows, columns, there = rows[there >= 0], columns[there >= 0], there[there >= 0]
    left, right = motorcycle.left[rows, columns].astype(int), motorcycle.right[rows, there].astype(int)
    # Measured: a median of 3 grey levels; 4 with the disparity taken as the right image's, 20 and more when shifted.
    assert np.median(np.abs(left - right).mean(axis=1)) < 3.5
    assert np.nanmedian(depth_from_disparity(motorcycle.truth, motorcycle.camera)) == pytest.approx(2.9, abs=0.3)

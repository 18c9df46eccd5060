"""How ``ffstereo evaluate-bag`` ends, what it takes for truth, and what it never overwrites."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from ffstereo_ros.cli.main import main

pytest.importorskip("rosbags", reason="needs rosbags: recordings cannot be made without")
from bag_factory import BagFactory

START, STEP = 1_700_000_000_000_000_000, 50_000_000
LEFT, IMAGE = "/stereo/left/image_rect", "sensor_msgs/msg/Image"


def evaluate(bag, output, *more):
    options = ("--backend", "sgbm", "--max-disparity", "32", "--result-bag", "none")
    return main(["evaluate-bag", str(bag), "--output", str(output), *options, *more])


def read(output):
    return json.loads((output / "metrics.json").read_text())


def damaged_bag(path):
    """Eight pairs; after the fourth a left image ends in the middle of its bytes, as a disk that fails leaves it."""
    with BagFactory(path) as bag:
        for number in range(8):
            stamp = START + number * STEP
            bag.pair(stamp, seed=number)
            if number == 3:
                whole = bag.store.serialize_cdr(bag.image(np.zeros((48, 96), np.uint8), "mono8", stamp), IMAGE)
                bag.writer.write(bag.connections[LEFT], stamp + 1, bytes(whole)[:100])
    return path


def test_a_damaged_bag_is_not_called_interrupted(tmp_path, capsys):
    assert evaluate(damaged_bag(tmp_path / "drive"), tmp_path / "out") == 1
    metrics = read(tmp_path / "out")
    assert metrics["frames"] == 4
    assert metrics["complete"] is False
    assert metrics["ended"].startswith(f"ended early ({tmp_path}/drive: damaged: ")
    html = (tmp_path / "out" / "report.html").read_text()
    assert re.search(r"Partial report: ended early \([^)]*damaged[^)]*\) after 4 frames, 0\.\d s; 9 left images", html)
    assert "interrupted" not in html
    assert "ended early" in capsys.readouterr().out


def test_a_full_disk_is_named(tmp_path, capsys):
    bag = bag_with_results(tmp_path / "drive")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "metrics.json.partial").symlink_to("/dev/full")
    assert evaluate(bag, tmp_path / "out") == 1
    reason = "cannot be written (No space left on device); free space there or choose another folder"
    assert f"{tmp_path}/out/metrics.json: {reason}" in capsys.readouterr().err
    (tmp_path / "out" / "frames.csv").unlink()
    (tmp_path / "out" / "frames.csv").symlink_to("/dev/full")
    assert evaluate(bag, tmp_path / "out", "--force") == 1
    assert read(tmp_path / "out")["ended"] == f"ended early ({tmp_path}/out/frames.csv: {reason})"


def test_a_result_bag_on_a_full_disk_is_named(tmp_path, monkeypatch):
    from rosbags.rosbag2 import Writer

    def fail(writer):
        raise OSError(28, "No space left on device")

    bag = bag_with_results(tmp_path / "drive")
    monkeypatch.setattr(Writer, "close", fail)
    assert evaluate(bag, tmp_path / "out", "--result-bag", str(tmp_path / "results")) == 1
    assert f"{tmp_path}/results: cannot be written (No space" in read(tmp_path / "out")["ended"]


def test_a_truth_without_a_known_pixel_is_no_truth(tmp_path, capsys):
    with BagFactory(tmp_path / "drive") as bag:
        for number in range(2):
            bag.pair(START + number * STEP, seed=number)
            bag.depth(START + number * STEP, metres=np.nan, topic="/truth")
    assert evaluate(tmp_path / "drive", tmp_path / "out", "--truth", "/truth") == 0
    told = capsys.readouterr().out
    assert "against /truth: no truth, every pixel of it is unknown" in told
    assert "bad2" not in told
    assert "/truth (2 frames) holds no truth" in (tmp_path / "out" / "report.html").read_text()


def test_ctrl_c_is(tmp_path, monkeypatch):
    from ffstereo_ros.evaluation.bag_evaluator import BagJudge

    def interrupt(judge, frames, limit, on_frame):
        judge._judge(next(iter(frames)))
        raise KeyboardInterrupt

    monkeypatch.setattr(BagJudge, "judge_all", interrupt)
    with BagFactory(tmp_path / "drive") as bag:
        for number in range(3):
            bag.pair(START + number * STEP)
    assert evaluate(tmp_path / "drive", tmp_path / "out") == 130
    assert read(tmp_path / "out")["ended"] == "interrupted"
    assert "Partial report: interrupted after 1 frames" in (tmp_path / "out" / "report.html").read_text()


def bag_with_results(path):
    """As the demo and a node's user record it: the pair, and what the node answered."""
    with BagFactory(path) as bag:
        for number in range(3):
            bag.pair(START + number * STEP, seed=number)
            bag.disparity(START + number * STEP, topic="/stereo/disparity")
            bag.depth(START + number * STEP, topic="/stereo/depth/image_rect")
    return path


def test_the_answers_recorded_with_a_pair_are_not_its_truth(tmp_path, capsys):
    bag = bag_with_results(tmp_path / "drive")
    assert evaluate(bag, tmp_path / "out") == 0
    metrics = read(tmp_path / "out")
    assert "truth" not in metrics
    why = "no truth: /stereo/disparity, /stereo/depth/image_rect are named as a matcher"
    assert any(note.startswith(why) for note in metrics["notes"])
    assert why in capsys.readouterr().out
    assert why in (tmp_path / "out" / "report.html").read_text()
    assert evaluate(bag, tmp_path / "named", "--truth", "/stereo/disparity") == 0
    assert read(tmp_path / "named")["truth"] == "/stereo/disparity"


def test_results_are_replaced_only_when_told(tmp_path, capsys):
    bag = bag_with_results(tmp_path / "drive")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("of another command")
    assert evaluate(bag, tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert told == (
        f"ffstereo evaluate-bag: {tmp_path}/out already holds report.html: choose another folder or add --force\n"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]
    assert evaluate(bag, tmp_path / "out", "--force") == 0
    assert "Stereo evaluation" in (tmp_path / "out" / "report.html").read_text()

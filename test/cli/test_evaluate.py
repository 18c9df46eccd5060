"""``ffstereo evaluate`` as a user runs it: its files are read back."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from scene_factory import evaluate, make_scene

from ffstereo_ros.cli.main import main


def test_writes_the_three_files(tmp_path):
    make_scene(tmp_path / "in" / "wall_near", shift=12)
    make_scene(tmp_path / "in" / "wall_far", shift=8)
    assert evaluate(tmp_path / "in", tmp_path / "out") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["complete"] is True
    assert set(metrics["scenes"]) == {"wall_near", "wall_far"}
    near = metrics["scenes"]["wall_near"]
    for kind in ("all", "answered"):
        assert set(near[kind]) == {"bad05", "bad1", "bad2", "bad3", "d1", "epe", "density"}
    assert near["answered"]["bad2"] == 0
    assert near["truth_pixels"] == 60 * 160
    # Z = 100 * 0.4 / (12 + 2) = 2.857 m
    (depth,) = near["depth_by_range"]
    assert (depth["from_m"], depth["to_m"]) == (2, 4)
    assert metrics["mean"]["all"]["bad2"] == pytest.approx(
        np.mean([scene["all"]["bad2"] for scene in metrics["scenes"].values()]), abs=1e-4
    )
    rows = list(csv.DictReader((tmp_path / "out" / "metrics.csv").open()))
    assert [row["scene"] for row in rows] == ["wall_far", "wall_near"]
    assert float(rows[1]["bad2_all"]) == pytest.approx(near["all"]["bad2"], abs=1e-4)
    assert rows[0]["bad2_visible"] == ""


def test_filters_are_judged_as_part_of_the_method(tmp_path):
    make_scene(tmp_path / "in" / "wall", shift=12)
    assert (
        evaluate(tmp_path / "in", tmp_path / "out", "--left-band-filter", "--roi-height", "24", "--repeats", "2") == 0
    )
    wall = json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"]["wall"]
    assert wall["all"]["density"] == pytest.approx(100 * 20 / 60 * 148 / 160, abs=0.5)  # 4 of the 24 rows have no truth
    assert wall["all"]["bad2"] == pytest.approx(100 - wall["all"]["density"], abs=0.1)  # unknown counts as bad
    assert wall["answered"]["bad2"] == 0


def test_the_report_needs_no_network_and_names_every_scene(tmp_path):
    make_scene(tmp_path / "in" / "wall_near", shift=12)
    evaluate(tmp_path / "in", tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("<article") == 1
    assert html.count("data:image/webp;base64,") == 4  # left, truth, disparity, error
    assert "Partial report" not in html
    # Namespaces inside SVG are names, not addresses; nothing else may point outside the file.
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)|url\(([^)]+)\)|@import""", html)
    outside = [address for pair in loaded for address in pair if address and not address.startswith(("data:", "#"))]
    assert outside == []
    assert '<meta name="viewport"' in html


def test_two_backends_stand_side_by_side(tmp_path, monkeypatch):
    from ffstereo_ros.cli import contenders

    make_scene(tmp_path / "in" / "wall_near", shift=12)
    whole = contenders.create_sgbm_matcher

    def as_torch(settings):
        return whole(settings.max_disparity)

    monkeypatch.setattr(contenders, "create_matcher", as_torch)
    assert (
        evaluate(tmp_path / "in", tmp_path / "out", "--backend", "sgbm", "torch", "--weights", "a/mini.safetensors")
        == 0
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert list(metrics["runs"]) == ["sgbm", "torch mini"]
    assert metrics["runs"]["sgbm"]["mean"]["all"] == metrics["runs"]["torch mini"]["mean"]["all"]
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/webp") == 6


def test_a_scene_that_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path, capsys):
    make_scene(tmp_path / "in" / "wall_near", shift=12)
    broken = make_scene(tmp_path / "in" / "broken", shift=8)
    (broken / "disp.png").write_bytes(b"nothing")
    assert evaluate(tmp_path / "in", tmp_path / "out") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "sgbm: no result for 1 of 2 scenes: broken"
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "disp.png" in metrics["scenes"]["broken"]["failed"]
    assert "all" in metrics["scenes"]["wall_near"]
    assert "gave no result for broken" in (tmp_path / "out" / "report.html").read_text()


def test_without_truth_it_judges_consistency(tmp_path):
    make_scene(tmp_path / "in" / "wall", truth=False)
    assert evaluate(tmp_path / "in", tmp_path / "out") == 0
    scene = json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"]["wall"]
    assert "all" not in scene
    assert scene["consistency"]["left_right"] > 90
    assert scene["consistency"]["plane_px"] < 0.05


def test_a_truth_without_a_known_pixel_is_no_truth(tmp_path, capsys):
    scene = make_scene(tmp_path / "in" / "wall")
    cv2.imwrite(str(scene / "disp.png"), np.zeros((64, 160), np.uint16))
    assert evaluate(tmp_path / "in", tmp_path / "out", "--summary", str(tmp_path / "docs")) == 0
    told = capsys.readouterr().out
    assert "no truth" in told
    assert "nan" not in told
    wall = json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"]["wall"]
    assert "all" not in wall
    assert wall["note"] == "no truth: every pixel of it is unknown"
    assert not re.search(r"\bnan\b", (tmp_path / "out" / "report.html").read_text())
    assert not re.search(r"\bnan\b", (tmp_path / "docs" / "accuracy.md").read_text())


@pytest.mark.parametrize("name", ["metrics.json", "metrics.csv", "report.html"])
def test_a_full_disk_is_named(tmp_path, capsys, name):
    make_scene(tmp_path / "in" / "wall")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{name}.partial").symlink_to("/dev/full")
    assert evaluate(tmp_path / "in", tmp_path / "out") == 1
    told = f"{tmp_path}/out/{name}: cannot be written (No space left on device); free space there"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out" / name).exists()


def test_own_max_disparity_follows_the_truth(tmp_path):
    make_scene(tmp_path / "in" / "wall", shift=20)
    assert evaluate(tmp_path / "in", tmp_path / "out", "--own-max-disparity") == 0
    scene = json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"]["wall"]
    assert scene["max_disparity_px"] == 32  # 20 + 1 rounded up to 16s


def test_sgbm_takes_steps_of_16(tmp_path):
    make_scene(tmp_path / "wall")
    assert evaluate(tmp_path / "wall", tmp_path / "out", "--max-disparity", "48") == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"]["wall"]["max_disparity_px"] == 48


def test_refusals_are_one_line(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert "no scenes found" in capsys.readouterr().err
    make_scene(tmp_path / "in" / "wall")
    assert evaluate(tmp_path / "in", tmp_path / "out", "--repeats", "0") == 1
    assert "at least 1" in capsys.readouterr().err
    assert evaluate(tmp_path / "in", tmp_path / "out", "--backend", "magic") == 1
    assert "allowed is auto, torch" in capsys.readouterr().err


def test_a_backend_that_cannot_run_is_refused_before_the_first_scene(tmp_path, capsys):
    make_scene(tmp_path / "in" / "wall")
    code = evaluate(tmp_path / "in", tmp_path / "out", "--backend", "sgbm", "torch", "--weights", "nowhere.safetensors")
    assert code == 1
    printed = capsys.readouterr()
    assert "nowhere" in printed.err or "torch" in printed.err
    assert "wall" not in printed.out
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_a_partial_report_that_says_so(tmp_path):
    for number in range(300):
        make_scene(tmp_path / "in" / f"wall_{number}", height=96, width=320)
    command = [sys.executable, "-m", "ffstereo_ros.cli.main", "evaluate", str(tmp_path / "in"), "--output"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "out"), "--backend", "sgbm", "--repeats", "5"], stdout=subprocess.PIPE, text=True
    )
    while "[3/" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.stdout.read()
    assert process.wait(timeout=60) == 130
    assert time.monotonic() - began < 30
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["complete"] is False
    assert 3 <= metrics["scenes_done"] < 300
    assert len(metrics["scenes"]) == metrics["scenes_done"]
    html = (tmp_path / "out" / "report.html").read_text()
    assert f"Partial report: interrupted after {metrics['scenes_done']} of 300 scenes" in html
    assert html.rstrip().endswith("</html>")


def test_sgbm_agrees_with_the_published_baseline(shared, tmp_path):
    code = main(
        ["evaluate", str(shared / "scenes"), "--output", str(tmp_path), "--backend", "sgbm", "--own-max-disparity"]
    )
    assert code == 0
    scenes = json.loads((tmp_path / "metrics.json").read_text())["scenes"]
    columns = {"bad0.5": "bad05", "bad1": "bad1", "bad2": "bad2", "bad3": "bad3", "d1": "d1"}
    worst = 0.0
    for row in csv.DictReader((shared / "scenes" / "sgbm_baseline.csv").open()):
        if row["res"] != "native_padded":
            continue
        scene = scenes[row["scene"]]
        assert scene["max_disparity_px"] == int(row["num_disp"])
        pairs = [
            (row[f"{theirs}_{kind}"], scene[ours][figure])
            for theirs, figure in columns.items()
            for kind, ours in (("all", "all"), ("valid", "answered"))
        ]
        pairs.append((row["density"], scene["all"]["density"]))
        if row["bad2_all_nocc"]:
            pairs += [(row["bad2_all_nocc"], scene["visible"]["bad2"]), (row["d1_all_nocc"], scene["visible"]["d1"])]
        worst = max(worst, *(abs(float(theirs) - ours) for theirs, ours in pairs))
    assert worst < 0.01  # points; 0.004 seen, the file's own rounding is 0.0005


def test_the_summary_for_the_documentation_holds_no_image(tmp_path):
    make_scene(tmp_path / "in" / "wall_near", shift=12)
    make_scene(tmp_path / "in" / "flat_far", shift=8, calibrated=False)
    assert evaluate(tmp_path / "in", tmp_path / "out", "--summary", str(tmp_path / "docs")) == 0
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == [
        "accuracy.json",
        "accuracy.md",
        "accuracy.svg",
    ]
    page = (tmp_path / "docs" / "accuracy.md").read_text()
    metrics = json.loads((tmp_path / "docs" / "accuracy.json").read_text())
    assert f"| wall_near | sgbm | {metrics['scenes']['wall_near']['all']['bad2']:.2f} |" in page
    assert "| **all** (2) | sgbm |" in page
    assert "| 2–4 m | sgbm | 9600 |" in page
    assert "<image" not in (tmp_path / "docs" / "accuracy.svg").read_text()

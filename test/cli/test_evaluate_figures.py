"""What ``ffstereo evaluate`` searches, averages and overwrites: figures that are what they say."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scene_factory import evaluate, make_scene

from ffstereo_ros.backends.sgbm import SgbmBackend
from ffstereo_ros.cli import contenders
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.evaluation.evaluator import Contender
from ffstereo_ros.factory import ReadyMatcher


def read(output):
    return json.loads((output / "metrics.json").read_text())


@pytest.mark.parametrize(("scale", "searched"), [("1", 32), ("2", 24), ("0.5", 32)])
def test_own_max_disparity_is_in_pixels_of_the_left_image(tmp_path, scale, searched):
    """20 px + 1: 32, 42 and 11 px at the scaled size, in steps of 16."""
    make_scene(tmp_path / "in" / "wall", shift=20, width=320)
    assert evaluate(tmp_path / "in", tmp_path / "out", "--own-max-disparity", "--scale", scale) == 0
    wall = read(tmp_path / "out")["scenes"]["wall"]
    assert wall["max_disparity_px"] == searched
    assert wall["answered"]["bad3"] < 5
    assert "note" not in wall


@pytest.mark.parametrize(
    ("shift", "scale", "asked", "note"),
    [
        (100, "1.5", 160, ""),  # 151.5 px rounded up to 32s
        (230, "2", 416, "disparities up to 231 px wanted, 208 px searched (416 px at scale 2 is the most)"),
    ],
)
def test_where_the_network_ends_the_note_says_so(tmp_path, shift, scale, asked, note):
    pytest.importorskip("torch", reason="needs torch: the shipped network")
    make_scene(tmp_path / "in" / "wall", shift=shift, width=400)
    more = ("--own-max-disparity", "--backend", "torch", "--device", "cpu", "--no-consistency", "--scale", scale)
    assert evaluate(tmp_path / "in", tmp_path / "out", *more) == 0
    wall = read(tmp_path / "out")["scenes"]["wall"]
    assert wall["max_disparity_px"] == pytest.approx(asked / float(scale), abs=0.01)
    assert wall.get("note", "") == note
    assert note in (tmp_path / "out" / "report.html").read_text()


def test_weights_that_end_earlier_are_asked_for_no_more(tmp_path):
    pytest.importorskip("torch", reason="needs torch: weights of another reach than the shipped ones")
    from ffstereo_ros.cli.contenders import add_contender_arguments, contenders_of
    from ffstereo_ros.factory import find_weights
    from ffstereo_ros.network.checkpoint.store import load_weights, save_weights

    shipped = load_weights(find_weights("mini"))
    near = tmp_path / "near.safetensors"
    save_weights(near, replace(shipped, config=replace(shipped.config, max_disparity=224)))
    parser = argparse.ArgumentParser()
    add_contender_arguments(parser)
    arguments = ["--backend", "torch", "sgbm", "--weights", str(near), "mini"]
    assert [contender.limit for contender in contenders_of(parser.parse_args(arguments))] == [224, 416, None]


def test_a_contender_is_asked_for_no_more_than_it_takes():
    asked = []

    def create(max_disparity):
        asked.append(max_disparity)
        return StereoMatcher(SgbmBackend(max_disparity=max_disparity), scale=1.5), "text"

    contender = Contender("x", create, step=32, limit=256)
    reached = [contender.reaching(wanted)[0].max_disparity for wanted in (64, 65, 500, -3)]
    assert asked == [192, 96, 128, 256, 32]  # the first tells the scale
    assert reached == [64, 128 / 1.5, 256 / 1.5, 32 / 1.5]


def test_means_say_over_how_many_scenes_they_are(tmp_path, capsys):
    for name, shift in (("wall_a", 12), ("wall_b", 8), ("blind_c", 8), ("bad_d", 8)):
        make_scene(tmp_path / "in" / name, shift=shift, truth=name != "blind_c")
    (tmp_path / "in" / "bad_d" / "right.png").write_bytes(b"")
    assert evaluate(tmp_path / "in", tmp_path / "out", "--summary", str(tmp_path / "docs")) == 1
    assert "sgbm: mean over 2 scenes, all truth pixels" in capsys.readouterr().out
    run = read(tmp_path / "out")["runs"]["sgbm"]
    assert (len(run["scenes"]), run["scenes_matched"], run["scenes_judged"]) == (4, 3, 2)
    html = (tmp_path / "out" / "report.html").read_text()
    assert "(mean over 2 scenes)" in html
    page = (tmp_path / "docs" / "accuracy.md").read_text()
    assert "| **all** (2) | sgbm |" in page
    assert "| wall (2) | sgbm |" in page


def test_data_sets_count_the_scenes_with_truth(tmp_path):
    for name in ("wall_a", "wall_b", "hall_c"):
        make_scene(tmp_path / "in" / name, truth=name != "wall_b")
    assert evaluate(tmp_path / "in", tmp_path / "out") == 0
    table = (tmp_path / "out" / "report.html").read_text().partition("By data set</h2>")[2].partition("</table>")[0]
    cells = re.findall(r'title="(\w+)">\w+</th><td[^>]*>([^<]*)</td>', table)
    assert cells == [("hall", "1"), ("wall", "1")]


def as_torch(match):
    """A second contender: SGBM under the network's name, ``match`` called before each of its matches."""

    class Backend(SgbmBackend):
        def infer(self, *pair, **more):
            match()
            return super().infer(*pair, **more)

    return lambda settings: ReadyMatcher(StereoMatcher(Backend(max_disparity=settings.max_disparity)), "as torch")


@pytest.mark.parametrize("at", [1, 2])
def test_after_ctrl_c_both_means_are_over_the_same_scenes(tmp_path, monkeypatch, at):
    for number, shift in enumerate((8, 12, 4)):
        make_scene(tmp_path / "in" / f"wall_{number}", shift=shift)
    matches = []

    def match():
        matches.append(1)
        if len(matches) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(contenders, "create_matcher", as_torch(match))
    assert evaluate(tmp_path / "in", tmp_path / "out", "--backend", "sgbm", "torch", "--no-consistency") == 130
    metrics = read(tmp_path / "out")
    done = at - 1
    assert metrics["scenes_done"] == done
    first, second = metrics["runs"].values()
    assert list(first["scenes"]) == list(second["scenes"]) == ["wall_0"][:done]
    assert first["mean"].get("all") == second["mean"].get("all")
    assert f"Partial report: interrupted after {done} of 3 scenes" in (tmp_path / "out" / "report.html").read_text()


def test_results_are_replaced_only_when_told(tmp_path, capsys):
    make_scene(tmp_path / "in" / "wall")
    assert evaluate(tmp_path / "in", tmp_path / "out", "--summary", str(tmp_path / "docs")) == 0
    (tmp_path / "out" / "report.html").write_text("mine")
    assert evaluate(tmp_path / "in", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert told.startswith(f"ffstereo evaluate: {tmp_path}/out already holds metrics.json, metrics.csv, report.html: ")
    assert "choose another folder or add --force" in told
    assert (tmp_path / "out" / "report.html").read_text() == "mine"
    assert evaluate(tmp_path / "in", tmp_path / "new", "--summary", str(tmp_path / "docs")) == 1
    assert "docs already holds accuracy.md" in capsys.readouterr().err
    assert evaluate(tmp_path / "in", tmp_path / "out", "--force", "--summary", str(tmp_path / "docs")) == 0
    assert (tmp_path / "out" / "report.html").read_text() != "mine"


@pytest.mark.parametrize("option", [["--backend-fallback", "sgbm"], ["--temporal-weight", "0.5"]])
def test_what_would_change_nothing_is_no_option(tmp_path, capsys, option):
    make_scene(tmp_path / "in" / "wall")
    with pytest.raises(SystemExit):
        evaluate(tmp_path / "in", tmp_path / "out", *option)
    assert option[0] in capsys.readouterr().err


def test_a_bright_spot_in_one_image_of_10_bits_costs_nothing(shared, tmp_path):
    """The right image got a quarter of the left one's gain: bad2 went from 13.6 to 50.9 %."""
    scene = shared / "scenes" / "mb2014_Motorcycle_Q"
    for name in ("even", "spot"):
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        shutil.copy(scene / "disp.png", folder)
        for side in ("left", "right"):
            image = cv2.imread(str(scene / f"{side}.png"), cv2.IMREAD_GRAYSCALE).astype(np.uint16) * 4
            if (name, side) == ("spot", "right"):
                image[100:104, 100:104] = 1100
            cv2.imwrite(str(folder / f"{side}.png"), image)
    assert evaluate(tmp_path / "in", tmp_path / "out", "--max-disparity", "96", "--no-consistency") == 0
    even, spot = (read(tmp_path / "out")["scenes"][name]["all"]["bad2"] for name in ("even", "spot"))
    assert spot == pytest.approx(even, abs=0.5)  # 0.003 seen: 11 bits are brought to 8, not 10


def test_a_folder_whose_name_is_no_utf_8_is_judged(tmp_path):
    """In a process of its own: OpenCV crashed on such a name, and took the process with it."""
    folder = tmp_path / os.fsdecode(b"lat\xe9")
    make_scene(tmp_path / "plain", shift=12)
    (tmp_path / "plain").rename(folder)
    command = [sys.executable, "-m", "ffstereo_ros.cli.main", "evaluate", folder, "--output", folder / "out"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    told = subprocess.run([*command, "--backend", "sgbm"], capture_output=True, text=True, env=environment)
    assert told.returncode == 0, told.stderr
    metrics = read(folder / "out")
    assert list(metrics["scenes"]) == ["lat\\udce9"]
    assert os.fsencode(metrics["source"]) == os.fsencode(folder)
    assert "lat\\udce9" in (folder / "out" / "report.html").read_text()
    assert "lat\\udce9" in (folder / "out" / "metrics.csv").read_text()

"""``ffstereo doctor`` as a user runs it."""

from __future__ import annotations

import json

import pytest

from ffstereo_ros.cli.main import main


def test_names_the_misaligned_pair_and_fails(shared, tmp_path, capsys):
    scene = shared / "pairs_without_ground_truth" / "tinynav_looper"
    assert main(["doctor", str(scene), "--no-system", "--json", str(tmp_path / "found.json")]) == 1
    text = capsys.readouterr().out
    assert "BAD  rows        row offset -4.4" in text
    assert "wrong: tinynav_looper" in text
    found = json.loads((tmp_path / "found.json").read_text())["tinynav_looper"]
    assert [finding["check"] for finding in found if finding["level"] == "bad"] == ["rows"]


def test_two_files_with_their_calibration(shared, capsys):
    scene = shared / "scenes" / "eth3d_terrace"
    files = [str(scene / "left.png"), str(scene / "right.png")]
    assert main(["doctor", *files, "--camera", str(scene / "calib.json"), "--no-system"]) == 0
    assert "nothing found that makes depth wrong" in capsys.readouterr().out
    assert main(["doctor", *reversed(files), "--no-system"]) == 1
    assert "left and right are swapped" in capsys.readouterr().out


def test_a_swapped_pair_whose_principal_points_differ(shared, capsys):
    scene = shared / "scenes" / "mb2014_Motorcycle_Q"
    files = [str(scene / "right.png"), str(scene / "left.png")]
    assert main(["doctor", *files, "--camera", str(scene / "calib.json"), "--no-system"]) == 1
    assert "left and right are swapped" in capsys.readouterr().out


def test_one_image_is_not_a_missing_folder(shared, capsys):
    image = shared / "scenes" / "eth3d_terrace" / "left.png"
    assert main(["doctor", str(image), "--no-system"]) == 1
    told = f"{image}: is one file; give LEFT and RIGHT, the folder of a scene, or a bag"
    assert capsys.readouterr().err == f"ffstereo doctor: {told}\n"


def test_a_bag(shared, capsys):
    assert main(["doctor", str(shared / "bags" / "euroc_v101_rect_mcap"), "--no-system"]) == 0
    text = capsys.readouterr().out
    assert "20.0 Hz, 0 frames missing" in text
    assert all(line.startswith("OK") for line in text.splitlines() if line[:4].strip() in ("OK", "NOTE", "WARN", "BAD"))


def test_the_machine_alone(capsys):
    assert main(["doctor"]) in (0, 1)
    assert "auto takes" in capsys.readouterr().out


@pytest.mark.parametrize("target", [["a", "b", "c"], ["nowhere"], []])
def test_refusals_are_one_line(target, capsys):
    assert main(["doctor", *target, "--no-system"]) == 1
    assert capsys.readouterr().err.startswith("ffstereo doctor: ")

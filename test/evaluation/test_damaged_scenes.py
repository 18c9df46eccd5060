"""A damaged file costs its scene or its calibration, is told in one line, and never stops the scenes beside it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.layouts import find_scenes

HEIGHT, WIDTH = 6, 8
MIDDLEBURY = "cam0=[400 0 3; 0 400 2; 0 0 1]\ncam1=[400 0 3; 0 400 2; 0 0 1]\nbaseline=193\nwidth=8\nheight=6\n"


def write_pair(folder, left="left.png", right="right.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for name in (left, right):
        assert cv2.imwrite(str(folder / name), np.full((HEIGHT, WIDTH), 100, np.uint8))
    return folder


def load_only(root):
    (scene,) = find_scenes(root)
    return scene.load()


def bytes_of(array):
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"garbage", "cannot be read as .npy"),
        (b"", "cannot be read as .npy"),
        (bytes_of(np.ones((HEIGHT, WIDTH)))[:200], "cannot be read as .npy"),
        (bytes_of(np.array([{"a": 1}], dtype=object)), "cannot be read as .npy"),
        (bytes_of(np.ones(7)), r"float64 \[7\], but numbers \[H, W\] in px are needed"),
        (bytes_of(np.ones((1, HEIGHT, WIDTH))), r"float64 \[1, 6, 8\]"),
        (bytes_of(np.full((HEIGHT, WIDTH), "x")), r"<U1 \[6, 8\]"),
    ],
)
def test_a_damaged_npy_truth_is_refused(tmp_path, content, said):
    write_pair(tmp_path)
    (tmp_path / "disp.npy").write_bytes(content)
    with pytest.raises(InputFileError, match=said) as refusal:
        load_only(tmp_path)
    assert "disp.npy" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_whole_npy_truth_of_any_number_is_read(tmp_path):
    write_pair(tmp_path)
    np.save(tmp_path / "disp.npy", np.full((HEIGHT, WIDTH), 3, np.int16))
    truth = load_only(tmp_path).truth
    assert truth.dtype == np.float32
    assert (truth == 3).all()


@pytest.mark.parametrize("content", ["[1, 2]", "null", "3", '"text"', "[" * 100_000])
def test_a_calibration_that_is_no_object_costs_the_camera_alone(tmp_path, content):
    (write_pair(tmp_path) / "calib.json").write_text(content)
    data = load_only(tmp_path)
    assert data.camera is None
    assert "calib.json" in data.camera_trouble


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("P2: 700 0 4 0 0 700 3 0 0 0 1 0\nP3: 700 0 4 x 0 700 3 0 0 0 1 0\n", "P3: could not convert string to float"),
        ("P2: 700 0\nP3: 700 0\n", "12"),
    ],
)
def test_a_kitti_calibration_of_other_than_numbers_costs_the_camera_alone(tmp_path, text, said):
    for name in ("colored_0", "colored_1", "disp_occ", "calib"):
        (tmp_path / name).mkdir()
    for name in ("colored_0", "colored_1"):
        cv2.imwrite(str(tmp_path / name / "000007_10.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    cv2.imwrite(str(tmp_path / "disp_occ" / "000007_10.png"), np.ones((HEIGHT, WIDTH), np.uint16))
    (tmp_path / "calib" / "000007.txt").write_text(text)
    data = load_only(tmp_path)
    assert data.camera is None
    assert said in data.camera_trouble


@pytest.mark.parametrize("stated", ["", "many", "nan", "inf", "0", "-5"])
def test_a_bound_that_is_no_number_is_told_and_the_scene_is_judged(tmp_path, stated):
    (write_pair(tmp_path, "im0.png", "im1.png") / "calib.txt").write_text(f"{MIDDLEBURY}ndisp={stated}\n")
    data = load_only(tmp_path)
    assert data.max_disparity is None
    assert data.camera is not None
    assert f"calib.txt: ndisp={stated}: a number of px above 0 is needed" in data.camera_trouble


@pytest.mark.parametrize("matrix", ["[400 0 3]", "[400 0 3; 0 400]", "[]", "[f 0 0; 0 f 0; 0 0 1]"])
def test_a_middlebury_calibration_without_its_matrices_costs_the_camera_alone(tmp_path, matrix):
    text = MIDDLEBURY.replace("[400 0 3; 0 400 2; 0 0 1]", matrix)
    (write_pair(tmp_path, "im0.png", "im1.png") / "calib.txt").write_text(text)
    assert "not a calib.txt of Middlebury or ETH3D" in load_only(tmp_path).camera_trouble


def test_a_calibration_that_is_no_text_stops_nobody(tmp_path):
    write_pair(tmp_path / "a", "im0.png", "im1.png")
    (tmp_path / "a" / "calib.txt").write_bytes(b"cam0=\xff\xfe")
    write_pair(tmp_path / "b", "im0.png", "im1.png")
    first, second = (scene.load() for scene in find_scenes(tmp_path))
    assert first.camera_trouble.count("cannot be read as a calibration") == 1  # the same is not said twice
    assert second.camera_trouble == ""


def test_a_locked_folder_is_named_and_the_others_are_found(tmp_path, monkeypatch):
    for name in ("a", "locked", "z"):
        write_pair(tmp_path / name)
    lock(monkeypatch, tmp_path / "locked")
    found = {scene.name: scene for scene in find_scenes(tmp_path)}
    assert list(found) == ["a", "locked", "z"]
    assert found["z"].load().truth is None
    with pytest.raises(InputFileError, match=r"locked: cannot be looked into \(Permission denied\)"):
        found["locked"].load()
    with pytest.raises(InputFileError, match=r"locked: cannot be looked into \(Permission denied\)"):
        find_scenes(tmp_path / "locked")


def lock(monkeypatch, folder):
    """As for everybody but root: neither the names in a folder of mode 000 nor what they stand for can be seen."""
    is_file, iterdir = Path.is_file, Path.iterdir

    def guarded(method):
        def call(path):
            if (path == folder and method is iterdir) or folder in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            return method(path)

        return call

    monkeypatch.setattr(Path, "is_file", guarded(is_file))
    monkeypatch.setattr(Path, "iterdir", guarded(iterdir))


@pytest.mark.parametrize(("there", "missing"), [("left.png", "right.png"), ("im1.png", "im0.png")])
def test_half_a_pair_is_a_scene_that_names_the_missing_image(tmp_path, there, missing):
    write_pair(tmp_path / "whole")
    write_pair(tmp_path / "half", there, there)
    half, whole = find_scenes(tmp_path)
    assert (half.name, whole.name) == ("half", "whole")
    whole.load()
    with pytest.raises(InputFileError, match=rf"half/{missing}: no such file"):
        half.load()


def test_half_a_pair_beside_a_whole_one_is_no_scene(tmp_path):
    write_pair(tmp_path, "im0.png", "im1.png")
    (tmp_path / "left.png").touch()
    assert load_only(tmp_path).truth is None


def test_a_file_is_no_missing_folder(tmp_path):
    write_pair(tmp_path / "scene")
    with pytest.raises(InputFileError, match=r"scene/left\.png: is a file; give the folder of a scene \(as "):
        find_scenes(tmp_path / "scene" / "left.png")


def test_two_scenes_beside_a_bad_one_are_judged(tmp_path):
    """Through the command: each of these ended the whole run."""
    from ffstereo_ros.cli.main import main

    (write_pair(tmp_path / "in" / "a_npy") / "disp.npy").write_bytes(b"garbage")
    (write_pair(tmp_path / "in" / "b_calib") / "calib.json").write_text("[]")
    (write_pair(tmp_path / "in" / "c_bound", "im0.png", "im1.png") / "calib.txt").write_text(MIDDLEBURY + "ndisp=\n")
    for folder in (tmp_path / "in").iterdir():
        for image in folder.glob("*.png"):
            cv2.imwrite(str(image), np.random.default_rng(1).integers(0, 256, (64, 96), dtype=np.uint8))
    assert main(["evaluate", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--backend", "sgbm"]) == 1
    scenes = json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"]
    assert "disp.npy" in scenes["a_npy"]["failed"]
    assert "calib.json" in scenes["b_calib"]["note"]
    assert "ndisp=" in scenes["c_bound"]["note"]

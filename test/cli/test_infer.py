"""``ffstereo infer`` on files: what it writes, and what it refuses."""

import errno
import json
import os

import cv2
import numpy as np
import pytest

from ffstereo_ros.cli.main import main

SHIFT = 12


@pytest.fixture
def pair(tmp_path):
    """A random texture seen 12 px apart, as files; f * B = 50 px m."""
    wide = np.random.default_rng(1).integers(0, 256, (96, 160 + SHIFT, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "left.png"), wide[:, :160])
    cv2.imwrite(str(tmp_path / "right.png"), wide[:, SHIFT:])
    values = {"fx": 500, "fy": 500, "cx": 80, "cy": 48, "baseline_m": 0.1, "doffs": 0}
    (tmp_path / "calib.json").write_text(json.dumps(values))
    return tmp_path


def infer(pair, *more):
    files = [str(pair / name) for name in ("left.png", "right.png")]
    return main(["infer", *files, "--output", str(pair / "out"), "--backend", "sgbm", "--max-disparity", "32", *more])


def test_writes_disparity_depth_and_cloud(pair, capsys):
    assert infer(pair, "--camera", str(pair / "calib.json"), "--raw") == 0
    disparity, depth = np.load(pair / "out/disparity.npy"), np.load(pair / "out/depth.npy")
    assert disparity.dtype == np.float32
    assert np.nanmedian(disparity) == pytest.approx(SHIFT, abs=0.1)
    assert np.nanmedian(depth) == pytest.approx(50 / SHIFT, rel=0.01)
    assert cv2.imread(str(pair / "out/disparity.png")).shape == (96, 160, 3)
    header, _, vertices = (pair / "out/cloud.ply").read_bytes().partition(b"end_header\n")
    assert f"element vertex {np.isfinite(depth).sum()}".encode() in header
    assert len(vertices) == 15 * np.isfinite(depth).sum()
    assert (pair / "out/disparity_raw.npy").exists()
    assert "backend sgbm" in capsys.readouterr().out


def test_keeps_what_is_there_unless_told(pair, capsys):
    assert infer(pair) == 0
    assert infer(pair) == 1
    assert "already holds disparity.npy" in capsys.readouterr().err
    assert infer(pair, "--force") == 0


def test_the_nodes_filters_take_out_of_the_disparity_and_of_nothing_else(pair):
    assert infer(pair, "--raw") == 0
    whole, raw = np.load(pair / "out/disparity.npy"), np.load(pair / "out/disparity_raw.npy")
    assert infer(pair, "--raw", "--force", "--left-band-filter", "--roi-y", "40", "--roi-height", "20") == 0
    filtered = np.load(pair / "out/disparity.npy")
    assert np.isnan(filtered[:40]).all()
    assert np.isnan(filtered[60:]).all()
    assert np.isnan(filtered[40:60, : SHIFT - 1]).all()
    assert np.array_equal(filtered[40:60, SHIFT + 1 :], whole[40:60, SHIFT + 1 :], equal_nan=True)
    assert np.array_equal(np.load(pair / "out/disparity_raw.npy"), raw, equal_nan=True)


def test_a_folder_that_may_not_be_written_is_refused_before_matching(pair, capsys, monkeypatch):
    def refuse(*, dir):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write everywhere
    assert infer(pair) == 1
    told = capsys.readouterr()
    refusal = f"{pair}/out: cannot be written to (Permission denied); choose another folder"
    assert told.err == f"ffstereo infer: {refusal}\n"
    assert told.out == ""


def test_a_file_that_may_not_be_replaced_is_one_line(pair, capsys):
    assert infer(pair) == 0
    (pair / "out/disparity.npy").unlink()
    (pair / "out/disparity.npy").mkdir()
    assert infer(pair, "--force") == 1
    refusal = "cannot be written (Is a directory); choose another folder"
    assert capsys.readouterr().err == f"ffstereo infer: {pair}/out/disparity.npy: {refusal}\n"


@pytest.mark.parametrize("name", ["disparity.npy", "disparity.png", "depth.npy", "cloud.ply"])
def test_a_full_disk_is_named_and_leaves_no_cut_file(pair, capsys, name):
    (pair / "out").mkdir()
    (pair / f"out/{name}.partial").symlink_to("/dev/full")
    assert infer(pair, "--camera", str(pair)) == 1
    refusal = "cannot be written (No space left on device); free space there or choose another folder"
    assert capsys.readouterr().err.endswith(f"{pair}/out/{name}: {refusal}\n")
    assert not (pair / "out" / name).exists()
    assert not list((pair / "out").glob("*.partial"))


@pytest.mark.parametrize("name", ["disparity.npy", "disparity.png"])
def test_what_cannot_be_replaced_stays(pair, name):
    assert infer(pair) == 0
    before = (pair / "out" / name).read_bytes()
    (pair / f"out/{name}.partial").symlink_to("/dev/full")
    assert infer(pair, "--force", "--left-band-filter") == 1
    assert (pair / "out" / name).read_bytes() == before


def test_filters_that_take_everything_are_named(pair, capsys):
    assert infer(pair, "--roi-x", "120", "--left-band-filter", "--speckle-size", "100000") == 0
    told = capsys.readouterr().out
    assert "taken out by the filters --roi-x 120 --left-band-filter --speckle-size 100000; ask for less" in told
    assert "rectified" not in told
    cv2.imwrite(str(pair / "right.png"), np.zeros((96, 160), np.uint8))
    assert infer(pair, "--force", "--left-band-filter") == 0
    assert "no pixel answered; is the pair rectified, and left given before right?" in capsys.readouterr().out


def test_without_a_camera_there_is_no_depth(pair):
    assert infer(pair) == 0
    assert not (pair / "out/depth.npy").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--iterations", "0"], "iterations = 0"),
        (["--confidence-threshold", "2"], "confidence_threshold = 2"),
        (["--camera", "none.json"], "none.json"),
        (["--scale", "99"], "scale"),
    ],
)
def test_refusals_are_one_line(pair, capsys, more, said):
    assert infer(pair, *more) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1

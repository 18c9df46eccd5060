"""``ffstereo doctor`` against the matcher that runs by default, and with a calibration given on the command line."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from ffstereo_ros.backends.sgbm import SgbmBackend
from ffstereo_ros.cli import doctor
from ffstereo_ros.cli.main import main
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.factory import ReadyMatcher

HEIGHT, WIDTH, SHIFT = 240, 480, 150
CALIBRATION = {"fx": 300, "fy": 300, "cx": 240, "cy": 120, "baseline_m": 0.1, "doffs": 0}


@pytest.fixture
def near(tmp_path):
    """A scene of blobs 150 px in front, without a calibration; one stands beside it."""
    random = np.random.default_rng(7)
    wide = np.full((HEIGHT, WIDTH + SHIFT, 3), 90, np.uint8)
    for _ in range(900):
        centre = tuple(int(v) for v in random.integers((0, 0), (WIDTH + SHIFT, HEIGHT)))
        cv2.circle(wide, centre, int(random.integers(2, 9)), random.integers(20, 230, 3).tolist(), -1, cv2.LINE_AA)
    (tmp_path / "near").mkdir()
    cv2.imwrite(str(tmp_path / "near" / "left.png"), wide[:, :WIDTH])
    cv2.imwrite(str(tmp_path / "near" / "right.png"), wide[:, SHIFT:])
    (tmp_path / "calib.json").write_text(json.dumps(CALIBRATION))
    return tmp_path / "near"


@pytest.fixture
def as_the_network(monkeypatch):
    """What auto takes here works at 1.5 times the camera's size, as the weights that ship advise."""

    def create(settings):
        return ReadyMatcher(StereoMatcher(SgbmBackend(max_disparity=settings.max_disparity), scale=1.5), "backend x")

    monkeypatch.setattr(doctor, "create_matcher", create)


def line(text, check):
    (found,) = (line for line in text.splitlines() if line[5:].startswith(check))
    return found


@pytest.mark.parametrize("more", [[], ["--no-system"]])
def test_the_search_is_that_of_the_matcher_in_pixels_of_the_image(near, as_the_network, capsys, more):
    main(["doctor", str(near), *more])
    found = line(capsys.readouterr().out, "range ")
    assert found.startswith("WARN range")
    assert "128 px are searched (max_disparity 192 px at scale 1.5)" in found
    assert "raise max_disparity to 256 px or lower scale" in found  # 150 px are 225 of the network's


def test_a_longer_search_is_enough(near, as_the_network, capsys):
    main(["doctor", str(near), "--no-system", "--max-disparity", "256"])
    assert line(capsys.readouterr().out, "range ").startswith("OK")
    assert main(["doctor", str(near), "--max-disparity", "100"]) == 1
    assert "max_disparity = 100" in capsys.readouterr().err


def test_two_image_files_are_judged_alike(near, as_the_network, capsys):
    main(["doctor", str(near / "left.png"), str(near / "right.png"), "--no-system"])
    assert "128 px are searched" in line(capsys.readouterr().out, "range ")


def test_without_any_backend_the_search_is_what_was_asked_for(near, monkeypatch, capsys):
    from ffstereo_ros.errors import BackendError

    def refuse(settings):
        raise BackendError("nothing can run")

    monkeypatch.setattr(doctor, "create_matcher", refuse)
    main(["doctor", str(near), "--no-system"])
    assert line(capsys.readouterr().out, "range ").startswith("OK")


def test_a_calibration_given_for_a_scene_is_used(near, as_the_network, capsys):
    main(["doctor", str(near), "--no-system"])
    assert "give --camera" in line(capsys.readouterr().out, "calibration")
    main(["doctor", str(near), "--no-system", "--camera", str(near.parent / "calib.json")])
    assert "f 300.0 px" in line(capsys.readouterr().out, "calibration")


def test_a_calibration_that_is_given_goes_before_the_scenes_own(near, as_the_network, capsys):
    (near / "calib.json").write_text(json.dumps({**CALIBRATION, "fx": 999}))
    main(["doctor", str(near), "--no-system", "--camera", str(near.parent / "calib.json")])
    assert "f 300.0 px" in line(capsys.readouterr().out, "calibration")
    assert main(["doctor", str(near), "--no-system", "--camera", "nowhere.json"]) == 1
    assert "nowhere.json: cannot be read" in capsys.readouterr().out


def test_a_calibration_given_for_a_bag_is_used(near, as_the_network, capsys):
    pytest.importorskip("rosbags", reason="needs rosbags: recordings cannot be made without")
    from bag_factory import BagFactory

    bag = near.parent / "bag"
    with BagFactory(bag) as writer:
        for side in ("left", "right"):
            image = cv2.imread(str(near / f"{side}.png"), cv2.IMREAD_GRAYSCALE)
            message = writer.image(image, "mono8", 10**18)
            writer.write(f"/s/{side}/image_rect", "sensor_msgs/msg/Image", message, 10**18)
    main(["doctor", str(bag), "--no-system", "--camera", str(near.parent / "calib.json")])
    told = capsys.readouterr().out
    assert "f 300.0 px" in line(told, "calibration")
    assert "128 px are searched" in line(told, "range ")

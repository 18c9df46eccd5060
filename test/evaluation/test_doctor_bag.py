from __future__ import annotations

import numpy as np
import pytest

from ffstereo_ros.cli.evaluate_bag import node_decoders
from ffstereo_ros.evaluation.bags import Bag
from ffstereo_ros.evaluation.doctor_bag import Stamps, check_bag, is_bag, judge_stamps
from ffstereo_ros.evaluation.doctor_pair import SearchRange

MS = 1_000_000
START, STEP = 1_700_000_000_000_000_000, 50 * MS


def by_check(findings):
    return {finding.check: finding for finding in findings}


def judged(left, right):
    return by_check(judge_stamps(Stamps(list(left), list(right))))


def test_triggered_cameras_are_fine():
    stamps = [START + number * STEP for number in range(100)]
    found = judged(stamps, stamps)
    assert found["sync"].level == found["rate"].level == "ok"
    assert "20.0 Hz" in found["rate"].text


def test_stamps_slightly_apart_get_a_tolerance():
    left = np.arange(START, START + 100 * STEP, STEP)
    found = judged(left, left + MS)["sync"]
    assert found.level == "warn"
    assert "sync:=approximate with sync_tolerance:=0.002" in found.remedy


def test_cameras_that_run_freely_are_bad():
    left = np.arange(START, START + 100 * STEP, STEP)
    found = judged(left, left + 17 * MS)["sync"]
    assert found.level == "bad"
    assert "17.00 ms" in found.text


def test_lost_frames_are_counted():
    stamps = [START + number * STEP for number in range(100) if number % 10]
    found = judged(stamps, stamps)["rate"]
    assert found.level == "warn"
    assert "9 frames missing" in found.text  # the first is not missed by anyone


def test_lost_right_images_are_a_warning():
    stamps = [START + number * STEP for number in range(100)]
    assert judged(stamps, stamps[:90])["sync"].level == "warn"


def test_a_transport_that_loses_images_is_not_a_missing_trigger():
    """Both images of a pair have one stamp; of 40 pairs each image is lost by chance."""
    random = np.random.default_rng(3)
    stamps = START + STEP * np.arange(40)
    left, right = (stamps[random.random(40) < 0.6] for _ in range(2))
    (found,) = [finding for finding in judge_stamps(Stamps(list(left), list(right))) if finding.check == "sync"]
    assert found.level == "warn"
    lost = len(set(left) ^ set(right))
    assert f"{lost} of {left.size + right.size} images have lost their partner" in found.text
    assert "see transport and qos" in found.remedy
    assert " ms" not in found.text


def test_what_is_lost_does_not_count_as_badly_triggered():
    left = np.arange(START, START + 100 * STEP, STEP)
    found = judge_stamps(Stamps(list(left), list((left + MS)[::2])))
    lost, apart = (finding for finding in found if finding.check == "sync")
    assert (lost.level, apart.level) == ("warn", "warn")
    assert "50 of 150 images have lost their partner" in lost.text
    assert "100 images are 1.00 ms off their partner (median), 1.00 ms at 95 %" in apart.text


def test_exact_pairs_do_not_hide_how_far_the_others_are_apart():
    left = np.arange(START, START + 100 * STEP, STEP)
    right = left + np.where(np.arange(100) % 2, 9 * MS, 0)
    found = judged(left, right)["sync"]
    assert found.level == "bad"
    assert "9.00 ms off their partner (median)" in found.text
    few = judged(left, left + np.where(np.arange(100) % 10, 0, 9 * MS))["sync"]
    assert few.level == "warn"
    assert "sync:=exact" in few.remedy


@pytest.mark.parametrize("phase", [24, 25])
def test_half_a_period_apart_nothing_is_lost(phase):
    left = np.arange(START, START + 100 * STEP, STEP)
    jitter = np.random.default_rng(1).integers(-2 * MS, 2 * MS, 100)
    found = judge_stamps(Stamps(list(left), list(left + phase * MS + jitter)))
    assert [finding.level for finding in found if finding.check == "sync"] == ["bad"]


def test_a_clock_that_goes_back_and_a_silent_camera():
    assert judged([START, START + STEP, START], [START] * 3)["rate"].level == "bad"
    found = judged([START], [])["sync"]
    assert found.level == "bad"
    assert "no right image" in found.text


def check(path, **more):
    with Bag(path) as bag:
        return by_check(check_bag(bag, node_decoders(), SearchRange(64), **more))


def test_a_bag_without_camera_info_or_without_a_pair(bag_factory):
    with bag_factory("a") as bag:
        for number in range(4):
            bag.pair(START + number * STEP, with_info=False)
    found = check(bag.path)
    assert found["topics"].level == "bad"
    assert "no camera_info for the left and right camera" in found["topics"].text
    with bag_factory("b") as bag:
        bag.depth(START)
    assert "no stereo pair among" in check(bag.path)["topics"].text


def test_a_bag_is_told_from_a_folder_of_scenes(bag_factory, tmp_path):
    with bag_factory("a") as bag:
        bag.pair(START)
    assert is_bag(bag.path)
    assert is_bag(next(bag.path.glob("*.mcap")))
    assert not is_bag(tmp_path)
    (bag.path / "metadata.yaml").unlink()
    assert is_bag(bag.path)  # as a killed recorder leaves it
    (tmp_path / "scene").mkdir()
    for name in ("left.png", "right.png", "drive.mcap"):
        (tmp_path / "scene" / name).touch()
    assert not is_bag(tmp_path / "scene")

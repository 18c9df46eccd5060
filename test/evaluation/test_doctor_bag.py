from __future__ import annotations

import numpy as np

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

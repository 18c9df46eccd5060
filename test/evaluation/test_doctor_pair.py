"""Faults put into a good pair must be named with their size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.evaluation.doctor_pair import SearchRange, check_camera, check_pair
from ffstereo_ros.evaluation.layouts import find_scenes

HEIGHT, WIDTH = 240, 320
CAMERA = StereoCamera(WIDTH, HEIGHT, 300, 300, 160, 160, 120, 0.1)


@pytest.fixture(scope="module")
def pair():
    """A wall of many blobs 12 px in front."""
    random = np.random.default_rng(7)
    wide = np.full((HEIGHT, WIDTH + 12, 3), 90, np.uint8)
    for _ in range(600):
        centre = tuple(int(v) for v in random.integers((0, 0), (WIDTH + 12, HEIGHT)))
        cv2.circle(wide, centre, int(random.integers(2, 9)), random.integers(20, 230, 3).tolist(), -1, cv2.LINE_AA)
    return wide[:, :WIDTH], wide[:, 12:]


def findings(left, right, camera=CAMERA, **more):
    """By check, the worst of each."""
    order = ("ok", "note", "warn", "bad")
    found = {}
    for finding in check_pair([(left, right)], camera, more.get("search", SearchRange(192))):
        if finding.check not in found or order.index(finding.level) > order.index(found[finding.check].level):
            found[finding.check] = finding
    return found


def warp(image, matrix):
    return cv2.warpAffine(image, np.array(matrix, np.float64), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)


def test_a_good_pair_has_nothing_wrong(pair):
    found = findings(*pair)
    assert {finding.level for finding in found.values()} == {"ok"}
    assert "disparities 11.8 to 12.3 px" in found["range"].text
    assert "median 2.5 m" in found["range"].text  # 300 * 0.1 / 12


@pytest.mark.parametrize("offset", [-6.0, 1.75, 4.5])
def test_a_row_offset_is_named_in_pixels(pair, offset):
    left, right = pair
    rows = findings(left, warp(right, [[1, 0, 0], [0, 1, offset]]))["rows"]
    assert rows.level == "bad"
    measured = float(rows.text.split("row offset ")[1].split(" px")[0])
    assert measured == pytest.approx(offset, abs=0.1)  # worst 0.01 seen
    assert ("lower" if offset > 0 else "higher") in rows.text
    assert "recalibrate" in rows.remedy


def test_a_small_offset_is_a_note(pair):
    left, right = pair
    assert findings(left, warp(right, [[1, 0, 0], [0, 1, 0.7]]))["rows"].level == "note"


def test_a_roll_is_found_though_the_centre_is_aligned(pair):
    left, right = pair
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 1.5, 1.0)
    rows = findings(left, warp(right, matrix))["rows"]
    assert rows.level == "bad"
    assert "rotated or scaled" in rows.remedy
    assert abs(float(rows.text.split("row offset ")[1].split(" px")[0])) < 0.6


def test_a_swapped_pair_is_told(pair):
    order = findings(pair[1], pair[0])["order"]
    assert order.level == "bad"
    assert "swapped" in order.remedy


def test_an_offset_of_the_principal_points_does_not_hide_a_swapped_pair(pair):
    camera = StereoCamera(**{**vars(CAMERA), "cx_right": CAMERA.cx_left + 30})
    found = findings(pair[1], pair[0], camera)
    assert found["order"].level == "bad"  # -12 + 30 px are more than 0
    assert "disparities -12.3 to -11.8 px" in found["order"].text
    assert "nothing below 0 px is searched" in found["order"].text
    assert "swapped" in found["order"].remedy
    assert "cx_right = cx_left (now +30.0 px)" in found["order"].remedy
    assert "range" not in found


def test_principal_points_that_put_points_behind_the_camera_are_no_swapped_pair(pair):
    order = findings(*pair, StereoCamera(**{**vars(CAMERA), "cx_right": CAMERA.cx_left - 30}))["order"]
    assert order.level == "bad"
    assert "cx_right - cx_left = -30.0 px" in order.text
    assert "principal points are wrong" in order.remedy


def test_far_points_that_an_offset_puts_below_zero_are_told(pair):
    left, right = (image.copy() for image in pair)
    right[:60] = np.roll(left[:60], 8, axis=1)  # a quarter of the wall lies at -8 px
    camera = StereoCamera(**{**vars(CAMERA), "cx_right": CAMERA.cx_left + 10})
    found = findings(left, right, camera)
    assert found["range"].level == "warn"
    assert "points beyond 3.00 m are lost" in found["range"].remedy  # 300 * 0.1 / 10


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"baseline": 100.0}, "bad"),  # 0.1 m in mm: 2500 m
        ({"baseline": 10.0}, "bad"),  # in cm: 250 m
        ({"baseline": 0.0001}, "bad"),  # divided by 1000 once too often: 2.5 mm
        ({"baseline": 4.0}, "ok"),  # an uncommon camera, and 100 m are nothing strange
        ({"f": 2.0, "fy": 2.0}, "bad"),  # f in mm: 17 mm
        ({"baseline": 0.0015}, "warn"),  # a microscope: 38 mm
        ({"f": 3000.0, "fy": 3000.0, "baseline": 1.0}, "warn"),  # from the air: 250 m
    ],
)
def test_depths_of_no_world_are_wrong_where_the_calibration_is_strange_too(pair, changes, level):
    found = findings(*pair, StereoCamera(**{**vars(CAMERA), **changes}))["range"]
    assert found.level == level
    assert ("outside 0.05 to 200 m" in found.text) == (level != "ok")
    assert ("give the baseline in m" in found.remedy) == (level == "bad")


def test_exposure_is_compared(pair):
    left, right = pair
    darker = (right * 0.6).astype(np.uint8)
    exposure = findings(left, darker)["exposure"]
    assert exposure.level == "warn"
    assert float(exposure.text.split("are ")[1].split(" times")[0]) == pytest.approx(0.6, abs=0.03)
    white = np.maximum(left, np.where(np.arange(WIDTH) < 120, 255, 0).astype(np.uint8)[None, :, None])
    assert "white" in findings(white, white)["exposure"].text


def test_a_blank_pair_cannot_be_judged():
    grey = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    found = findings(grey, grey)
    assert found["rows"].level == "warn"
    assert "cannot be judged" in found["rows"].text


def test_two_sizes_are_no_pair(pair):
    assert check_pair([(pair[0], pair[1][:, :-8])], CAMERA, SearchRange(64))[0].check == "size"


def test_a_search_that_is_too_short_is_told(pair):
    found = findings(*pair, search=SearchRange(8))["range"]
    assert found.level == "warn"
    assert "8 px are searched" in found.text
    assert "raise max_disparity to 32 px or lower scale" in found.remedy


@pytest.mark.parametrize(
    ("scale", "remedy"),
    [
        (4.0, "raise max_disparity to 64 px"),  # 12 px are 48 of the network's
        (35.0, "max_disparity 416 px with scale 33"),  # 430 would be needed
    ],
)
def test_the_remedy_counts_in_pixels_of_the_scaled_image(pair, scale, remedy):
    found = findings(*pair, search=SearchRange(32 / scale, scale))["range"]
    assert found.level == "warn"
    assert f"(max_disparity 32 px at scale {scale:g})" in found.text
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        (
            {"f": 600, "fy": 600, "cx_left": 320, "cx_right": 320, "cy": 240},
            "calibration",
            "an image 2 times this size",
        ),
        ({"f": 150, "fy": 150, "cx_left": 80, "cx_right": 80, "cy": 60}, "calibration", "an image 0.5 times this size"),
        ({"f": 5000, "fy": 5000}, "calibration", "angle of view"),
        ({"baseline": 100.0}, "calibration", "unusual baseline"),
    ],
)
def test_a_calibration_of_another_size_or_unit_is_told(changes, check, words):
    camera = StereoCamera(**{**vars(CAMERA), **changes})
    found = check_camera(camera, WIDTH, HEIGHT)
    assert found[0].check == check
    assert found[0].level in ("warn", "bad")
    assert words in found[0].text


def test_the_pair_misaligned_on_purpose_is_named_and_no_other(shared):
    wrong = {}
    for scene in find_scenes(shared / "pairs_without_ground_truth"):
        if scene.name not in ("euroc_v101_000", "kitti_odo_gray", "tinynav_looper", "tinynav_realsense"):
            continue  # all ten were judged so by hand; four keep the test short
        data = scene.load()
        bad = [
            finding
            for finding in check_pair([(data.left, data.right)], data.camera, SearchRange(192))
            if finding.level == "bad"
        ]
        if bad:
            wrong[scene.name] = bad
    assert list(wrong) == ["tinynav_looper"]
    (rows,) = wrong["tinynav_looper"]
    # SIFT without any model gives a median of 4.52 px; the sign is ours, right minus left.
    assert float(rows.text.split("row offset ")[1].split(" px")[0]) == pytest.approx(-4.5, abs=0.3)

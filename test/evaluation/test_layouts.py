"""Every public layout as a tiny folder whose truth is known; the real data sets are not needed."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.layouts import find_scenes

HEIGHT, WIDTH = 6, 8
DISPARITY = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH) / 4 + 1
MIDDLEBURY_CALIB = """cam0=[400.5 0 3.5; 0 400.5 2.5; 0 0 1]
cam1=[400.5 0 13.5; 0 400.5 2.5; 0 0 1]
doffs=10
baseline=193.001
width=8
height=6
ndisp=70
"""
KITTI_P = "P_rect_02: 700 0 4 0 0 700 3 0 0 0 1 0\nP_rect_03: 700 0 4 -350 0 700 3 0 0 0 1 0\n"


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_pair(left, right, value=100):
    write_image(left, np.full((HEIGHT, WIDTH, 3), value, np.uint8))
    write_image(right, np.full((HEIGHT, WIDTH, 3), value + 1, np.uint8))


def write_pfm(path, values, *, big_endian=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.flipud(values).astype(">f4" if big_endian else "<f4").tobytes()
    path.write_bytes(f"Pf\n{WIDTH} {HEIGHT}\n{'1.0' if big_endian else '-1.0'}\n".encode() + data)


def write_kitti(path, values):
    write_image(path, np.round(np.nan_to_num(values) * 256).astype(np.uint16))


def with_hole(values=DISPARITY, hole=np.inf):
    values = values.copy()
    values[0, 0] = hole
    return values


def load_only(root, name):
    (scene,) = find_scenes(root)
    assert scene.name == name
    data = scene.load()
    assert data.left[0, 0, 0] == 100
    assert data.right[0, 0, 0] == 101
    return scene, data


def check_truth(data, hole=True):
    expected = with_hole(hole=np.nan) if hole else DISPARITY
    np.testing.assert_allclose(data.truth, expected, atol=1 / 512)  # the 16-bit encoding's own step


def test_plain_folder(tmp_path):
    scene = tmp_path / "my_scene"
    write_pair(scene / "left.png", scene / "right.png")
    write_kitti(scene / "disp.png", with_hole(hole=0))
    write_image(
        scene / "mask_nocc.png", np.where(np.arange(WIDTH) < 2, 128, 255).astype(np.uint8)[None].repeat(HEIGHT, 0)
    )
    calib = {"fx": 500, "fy": 500, "cx": 4, "cy": 3, "baseline_m": 0.1, "doffs": 2, "width": WIDTH, "height": HEIGHT}
    (scene / "calib.json").write_text(json.dumps(calib))
    found, data = load_only(tmp_path, "my_scene")
    check_truth(data)
    assert found.group == "my"
    assert data.visible.sum() == HEIGHT * (WIDTH - 2)
    assert (data.camera.focal_baseline, data.camera.cx_offset) == (50, 2)
    assert [scene.name for scene in find_scenes(scene)] == ["my_scene"]


def test_an_unknown_calibration_is_told_and_the_scene_still_loads(tmp_path):
    write_pair(tmp_path / "a" / "left.png", tmp_path / "a" / "right.png")
    (tmp_path / "a" / "calib.json").write_text(json.dumps({"fx": None}))
    _, data = load_only(tmp_path, "a")
    assert data.truth is None
    assert data.camera is None
    assert "fx" in data.camera_trouble


@pytest.mark.parametrize("big_endian", [False, True])
def test_middlebury_2014_and_2021(tmp_path, big_endian):
    scene = tmp_path / "data" / "artroom1"
    write_pair(scene / "im0.png", scene / "im1.png")
    (scene / "calib.txt").write_text(MIDDLEBURY_CALIB)
    write_pfm(scene / "disp0.pfm", with_hole(), big_endian=big_endian)
    _, data = load_only(tmp_path, "artroom1")
    check_truth(data)
    assert data.max_disparity == 70
    assert data.camera.baseline == pytest.approx(0.193001)
    assert data.camera.cx_offset == pytest.approx(10)


def test_middlebury_v3_names_and_mask(tmp_path):
    scene = tmp_path / "trainingQ" / "Piano"
    write_pair(scene / "im0.png", scene / "im1.png")
    write_pfm(scene / "disp0GT.pfm", with_hole())
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:, 0], mask[0, 0] = 128, 0
    write_image(scene / "mask0nocc.png", mask)
    found, data = load_only(tmp_path, "Piano")
    check_truth(data)
    assert found.group == "trainingQ"
    assert not data.visible[:, 0].any()
    assert data.visible[:, 1:].all()


def test_eth3d_with_its_truth_in_a_second_folder(tmp_path):
    scene = tmp_path / "two_view_training" / "terrace_1s"
    write_pair(scene / "im0.png", scene / "im1.png")
    (scene / "calib.txt").write_text(MIDDLEBURY_CALIB.replace("doffs=10\n", "").replace("13.5", "3.5"))
    write_pfm(tmp_path / "two_view_training_gt" / "terrace_1s" / "disp0GT.pfm", with_hole())
    _, data = load_only(tmp_path / "two_view_training", "terrace_1s")
    check_truth(data)
    assert data.camera.cx_offset == 0


def test_kitti_2015(tmp_path):
    base = tmp_path / "data_scene_flow" / "training"
    write_pair(base / "image_2" / "000002_10.png", base / "image_3" / "000002_10.png")
    write_pair(base / "image_2" / "000002_11.png", base / "image_3" / "000002_11.png", 50)
    write_kitti(base / "disp_occ_0" / "000002_10.png", with_hole(hole=0))
    seen = with_hole(hole=0)
    seen[:, :3] = 0
    write_kitti(base / "disp_noc_0" / "000002_10.png", seen)
    calibration = tmp_path / "data_scene_flow_calib" / "training" / "calib_cam_to_cam" / "000002.txt"
    calibration.parent.mkdir(parents=True)
    calibration.write_text("calib_time: 09-Jan-2012 13:57:47\n" + KITTI_P)
    scene, data = load_only(tmp_path / "data_scene_flow", "kitti2015_000002")
    check_truth(data)
    assert scene.group == "kitti2015"
    assert data.visible.sum() == HEIGHT * (WIDTH - 3)
    assert data.camera.baseline == pytest.approx(0.5)


def test_kitti_2012(tmp_path):
    write_pair(tmp_path / "colored_0" / "000007_10.png", tmp_path / "colored_1" / "000007_10.png")
    write_kitti(tmp_path / "disp_occ" / "000007_10.png", with_hole(hole=0))
    (tmp_path / "calib").mkdir()
    (tmp_path / "calib" / "000007.txt").write_text(KITTI_P.replace("P_rect_02", "P2").replace("P_rect_03", "P3"))
    _, data = load_only(tmp_path, "kitti2012_000007")
    check_truth(data)
    assert data.visible is None
    assert data.camera.f == 700


def test_sintel(tmp_path):
    training, inner = tmp_path / "training", "alley_1/frame_0001.png"
    write_pair(training / "final_left" / inner, training / "final_right" / inner)
    red = np.floor(DISPARITY / 4)
    green = (DISPARITY - 4 * red) * 64
    write_image(training / "disparities" / inner, np.dstack((np.zeros_like(red), green, red)).astype(np.uint8))
    occluded = np.zeros((HEIGHT, WIDTH), np.uint8)
    occluded[:, 0] = 255
    write_image(training / "occlusions" / inner, occluded)
    write_image(training / "outofframe" / inner, occluded[:, ::-1])
    scene, data = load_only(tmp_path, "alley_1_frame_0001")
    np.testing.assert_allclose(data.truth, DISPARITY)
    assert scene.group == "sintel-final"
    assert data.visible.sum() == HEIGHT * (WIDTH - 2)


@pytest.mark.parametrize("sign", [1, -1])
def test_sceneflow_of_either_sign(tmp_path, sign):
    inner = "TRAIN/A/0000"
    frames = tmp_path / "frames_cleanpass" / inner
    write_pair(frames / "left" / "0006.png", frames / "right" / "0006.png")
    write_pfm(tmp_path / "disparity" / inner / "left" / "0006.pfm", sign * DISPARITY)
    write_pfm(tmp_path / "disparity" / inner / "right" / "0006.pfm", sign * DISPARITY)
    _, data = load_only(tmp_path, "TRAIN_A_0000_0006")
    check_truth(data, hole=False)


def test_one_name_in_two_splits_stays_two_scenes(tmp_path):
    for split in ("trainingH", "trainingQ"):
        write_pair(tmp_path / split / "Piano" / "im0.png", tmp_path / split / "Piano" / "im1.png")
    assert [scene.name for scene in find_scenes(tmp_path)] == ["Piano", "trainingQ_Piano"]


def test_nothing_to_find_is_said(tmp_path):
    with pytest.raises(InputFileError, match="no scenes found; known layouts are"):
        find_scenes(tmp_path)
    with pytest.raises(InputFileError, match="no such folder"):
        find_scenes(tmp_path / "nowhere")


def test_a_truth_of_another_size_is_refused(tmp_path):
    write_pair(tmp_path / "left.png", tmp_path / "right.png")
    write_image(tmp_path / "disp.png", np.ones((HEIGHT, WIDTH + 1), np.uint16))
    (scene,) = find_scenes(tmp_path)
    with pytest.raises(InputFileError, match="truth is 9x6 px but the left image 8x6 px"):
        scene.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"PF\n8 6\n-1\n", "not a one-channel PFM"), (b"Pf\n8 6\n-1\n" + b"\0" * 50, "truncated"), (b"", "not a one")],
)
def test_a_damaged_pfm_is_refused(tmp_path, content, message):
    write_pair(tmp_path / "im0.png", tmp_path / "im1.png")
    (tmp_path / "disp0.pfm").write_bytes(content)
    (scene,) = find_scenes(tmp_path)
    with pytest.raises(InputFileError, match=message):
        scene.load()


def test_the_shared_scenes_are_all_found(shared):
    scenes = find_scenes(shared / "scenes")
    assert len(scenes) == 18
    motorcycle = next(scene for scene in scenes if "Motorcycle" in scene.name).load()
    assert motorcycle.camera.cx_offset == pytest.approx(32.778)
    assert np.nanmax(motorcycle.truth) == pytest.approx(62.877, abs=0.01)

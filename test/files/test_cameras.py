"""Every calibration file gives the same camera, and says what it lacks."""

import json

import pytest

from ffstereo_ros.errors import CalibrationError, InputFileError
from ffstereo_ros.files.cameras import read_camera

P_LEFT = [500.0, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0]
P_RIGHT = [500.0, 0, 330, -50, 0, 500, 240, 0, 0, 0, 1, 0]


def calibration_yaml(P, width=640, height=480):
    return f"image_width: {width}\nimage_height: {height}\nprojection_matrix:\n  rows: 3\n  cols: 4\n  data: {P}\n"


def echo_yaml(P, width=640, height=480):
    return (
        f"header:\n  frame_id: left\nheight: {height}\nwidth: {width}\np:\n" + "".join(f"- {v}\n" for v in P) + "---\n"
    )


@pytest.mark.parametrize("write", [calibration_yaml, echo_yaml])
def test_camera_info_yaml_pair(tmp_path, write):
    for side, P in (("left", P_LEFT), ("right", P_RIGHT)):
        (tmp_path / f"{side}.yaml").write_text(write(P))
    camera = read_camera(tmp_path, 640, 480)
    assert (camera.f, camera.baseline, camera.cx_offset) == (500.0, 0.1, 10.0)
    assert read_camera(f"{tmp_path}/left.yaml,{tmp_path}/right.yaml", 640, 480) == camera


def test_the_folder_of_a_scene(tmp_path):
    values = {"fx": 500, "fy": 500, "cx": 320, "cy": 240, "baseline_m": 0.1, "doffs": 10}
    (tmp_path / "calib.json").write_text(json.dumps(values))
    assert read_camera(tmp_path, 640, 480).cx_right == 330
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputFileError, match=r"empty: neither calib\.json nor left\.yaml and right\.yaml in it"):
        read_camera(tmp_path / "empty", 640, 480)
    (tmp_path / "left.yaml").write_text(calibration_yaml(P_LEFT))
    with pytest.raises(InputFileError, match=r"right\.yaml: cannot be read: No such file or directory$"):
        read_camera(tmp_path, 640, 480)


def test_swapped_yaml_files_are_refused(tmp_path):
    for side, P in (("left", P_RIGHT), ("right", P_LEFT)):
        (tmp_path / f"{side}.yaml").write_text(calibration_yaml(P))
    with pytest.raises(CalibrationError, match="swapped"):
        read_camera(tmp_path, 640, 480)


def test_json_and_k_txt(tmp_path):
    values = {"fx": 500, "fy": 500, "cx": 320, "cy": 240, "baseline_m": 0.1, "doffs": 10}
    (tmp_path / "calib.json").write_text(json.dumps(values))
    assert read_camera(tmp_path / "calib.json", 640, 480).cx_right == 330
    (tmp_path / "K.txt").write_text("500 0 320 0 500 240 0 0 1\n0.1\n")
    assert read_camera(tmp_path / "K.txt", 640, 480).cx_offset == 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "calib.json",
            '{"fx": 500, "fy": 500, "cx": 1, "cy": 1, "baseline_m": null, "doffs": 0}',
            "baseline_m unknown",
        ),
        ("calib.json", "{", "not JSON"),
        ("K.txt", "1 2 3\n", "nine intrinsics"),
        ("K.txt", "500 0 320 0 500 240 0 0 x\n0.1\n", "only numbers"),
        ("camera.ini", "", "give calib.json"),
    ],
)
def test_refuses_and_says_what_is_missing(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match=said):
        read_camera(tmp_path / name, 640, 480)


def test_refuses_a_calibration_of_another_size(tmp_path):
    for side, P in (("left", P_LEFT), ("right", P_RIGHT)):
        (tmp_path / f"{side}.yaml").write_text(calibration_yaml(P, width=320, height=240))
    with pytest.raises(InputFileError, match="calibrated for 320x240 px but the image is 640x480"):
        read_camera(tmp_path, 640, 480)
    with pytest.raises(InputFileError, match=r"missing\.yaml: cannot be read"):
        read_camera("missing.yaml,missing.yaml", 640, 480)

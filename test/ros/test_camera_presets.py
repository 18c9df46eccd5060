"""Every camera's preset loads, names the node's parameters and inputs, and its driver's file is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ffstereo_ros.errors import InputFileError, ParameterError
from ffstereo_ros.params import check_all
from ffstereo_ros.ros import camera_presets
from ffstereo_ros.ros.camera_presets import CAMERAS, INPUT_ARGUMENTS, NO_CAMERA, load_preset

FOLDER = Path(__file__).resolve().parents[2] / "config" / "cameras"


def test_every_file_is_a_camera() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(CAMERAS)


@pytest.mark.parametrize("name", CAMERAS)
def test_a_preset_fits_the_node(name: str) -> None:
    preset = load_preset(name)
    assert check_all(dict(preset.parameters)).items() >= preset.parameters.items()
    assert len(set(preset.topics.values())) == len(INPUT_ARGUMENTS)
    for argument, topic in preset.topics.items():
        assert re.search("right|infra2" if argument.startswith("right") else "left|infra1", topic)
        assert topic.endswith("camera_info") == argument.endswith("camera_info")
    assert preset.namespace
    assert preset.use_sim_time is (name == "isaac_sim")
    for file in re.findall(r"\S+\.yaml", preset.driver):
        assert yaml.safe_load(Path(file.partition(":=")[2]).read_text(encoding="utf-8"))


def test_the_pages_that_the_topics_were_checked_against_are_named() -> None:
    for name in CAMERAS:
        assert "https://" in (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name


def test_no_camera_has_the_nodes_own_names() -> None:
    assert load_preset("") is NO_CAMERA
    assert NO_CAMERA.topics == INPUT_ARGUMENTS


def test_an_unknown_camera_is_refused() -> None:
    with pytest.raises(ParameterError, match="camera = 'kinect': allowed is realsense, zed, oak, usb, isaac_sim"):
        load_preset("kinect")


@pytest.mark.parametrize(
    ("line", "changed", "reason"),
    [
        ('sync: "exact"', "sync: sometimes", "sync = 'sometimes': allowed is exact, approximate"),
        ('sync: "exact"', "synchronisation: exact", "the node has no parameter synchronisation"),
        ("left_image: zed_node", "left_image: /zed/zed_node", "relative to the namespace"),
        ("frame:", "frames:", "needed are driver, frame"),
        ("topics:", "topics: 3\nothers:", "keys are"),
    ],
)
def test_a_preset_that_does_not_fit_is_refused_with_its_file(
    line: str, changed: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (FOLDER / "zed.yaml").read_text(encoding="utf-8")
    assert line in text
    (tmp_path / "cameras").mkdir()
    (tmp_path / "cameras" / "zed.yaml").write_text(text.replace(line, changed), encoding="utf-8")
    monkeypatch.setattr(camera_presets, "config_file", lambda name: tmp_path / name)
    with pytest.raises(InputFileError, match=f"zed.yaml: .*{re.escape(reason)}"):
        load_preset("zed")

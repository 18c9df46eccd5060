"""The demo replaces its own files and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffstereo_ros.demo.folder import claim
from ffstereo_ros.errors import InputFileError


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    assert claim(tmp_path / "deep" / "demo_output").is_dir()


def test_an_earlier_demo_is_replaced_and_a_guest_stays(tmp_path: Path) -> None:
    claim(tmp_path)
    (tmp_path / "bag").mkdir()
    for name in ("bag/bag.mcap", "demo.png", "my_notes.txt"):
        (tmp_path / name).write_text("old")
    claim(tmp_path)
    assert not (tmp_path / "bag").exists()
    assert not (tmp_path / "demo.png").exists()
    assert (tmp_path / "my_notes.txt").read_text() == "old"


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.png").write_text("mine")
    with pytest.raises(InputFileError, match=r"not made by the demo.*--output"):
        claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputFileError, match="cannot be written"):
        claim(tmp_path / "file")

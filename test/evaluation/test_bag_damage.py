"""A recording that cannot be opened is refused with what mends it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ffstereo_ros.cli.main import main
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.bags import Bag

START, STEP = 1_700_000_000_000_000_000, 50_000_000


@pytest.fixture
def recorded(bag_factory):
    """Makes a recording of 20 pairs: its folder or ROS 1 file, and the file that holds its messages."""

    def make(storage):
        with bag_factory("drive.bag" if storage == "ros1" else "drive", storage) as bag:
            for number in range(20):
                bag.pair(START + number * STEP, seed=number)
        files = [bag.path] if storage == "ros1" else [*bag.path.glob("*.mcap"), *bag.path.glob("*.db3")]
        return bag.path, files[0]

    return make


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def refused(path):
    with pytest.raises(InputFileError) as refusal, Bag(path):
        pass
    told = str(refusal.value)
    assert told.startswith(f"{path}: cannot be read as a bag: ")
    assert "\n" not in told
    return told


@pytest.mark.parametrize("named", ["folder", "file"])
def test_an_mcap_without_its_end_is_recovered(recorded, named):
    folder, file = recorded("mcap")
    cut(file)
    told = refused(folder if named == "folder" else file)
    assert "drive.mcap has no end: was the recorder killed, or the copy cut short?" in told
    assert f"`mcap recover {file} -o saved.mcap` saves what is whole; then name saved.mcap" in told


def test_a_recorder_that_was_killed_leaves_no_metadata(recorded):
    folder, file = recorded("sqlite3")
    (folder / "metadata.yaml").unlink()
    told = refused(folder)
    assert "no metadata.yaml in it: was the recorder killed?" in told
    assert f"name {file} itself, or let `ros2 bag reindex -s sqlite3 {folder}` write it" in told
    with Bag(file) as bag:  # as the message says
        assert bag.count("/stereo/left/image_rect") == 20


def test_without_metadata_a_damaged_file_is_told_and_not_reindexed(recorded):
    folder, file = recorded("mcap")
    (folder / "metadata.yaml").unlink()
    cut(file)
    told = refused(folder)
    assert "no metadata.yaml in it, and drive.mcap has no end" in told
    assert "reindex" not in told


def test_half_a_database_is_saved_by_the_command_in_the_message(recorded, tmp_path):
    if shutil.which("sqlite3") is None:
        pytest.skip("needs the sqlite3 command: runs what the message says")
    folder, file = recorded("sqlite3")
    cut(file)
    told = refused(folder)
    command = told.split("`")[1]
    assert command.startswith(f"sqlite3 {file} .dump | ")
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    with Bag(tmp_path / "saved.db3") as bag:
        assert 5 < bag.count("/stereo/left/image_rect") < 15


def test_what_else_is_missing_is_named(recorded, tmp_path):
    folder, file = recorded("mcap")
    file.write_bytes(b"")
    assert "drive.mcap is empty (0 bytes)" in refused(folder)
    file.unlink()
    assert refused(folder).endswith("drive.mcap']; copy the whole folder")
    (folder / "metadata.yaml").unlink()
    assert "no metadata.yaml in it and no .mcap or .db3" in refused(folder)
    assert refused(tmp_path / "nowhere").endswith("no such file or folder")
    (tmp_path / "x.png").write_bytes(b"1")
    assert "an .mcap, a .db3 or a .bag file" in refused(tmp_path / "x.png")


def test_half_a_ros1_bag_is_reindexed(recorded):
    _, file = recorded("ros1")
    cut(file)
    assert f"`rosbag reindex {file}` saves what is whole" in refused(file)


def test_the_doctor_takes_the_folder_of_a_killed_recorder_for_a_bag(recorded, capsys):
    folder, _ = recorded("mcap")
    (folder / "metadata.yaml").unlink()
    assert main(["doctor", str(folder), "--no-system"]) == 1
    assert "was the recorder killed?" in capsys.readouterr().err

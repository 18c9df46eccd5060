"""What is written is in its place whole, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.files.whole import whole_file, write_array


def test_a_file_has_its_name_once_it_is_whole(tmp_path):
    path = tmp_path / "x"
    with whole_file(path) as file:
        file.write(b"1")
        assert not path.exists()
    assert path.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_there_stays_whatever_ends_the_writing(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def write() -> None:
        with whole_file(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_array_is_read_back_and_a_full_disk_is_told_by_its_reason(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_array(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    (tmp_path / "b.npy.partial").symlink_to("/dev/full")
    with pytest.raises(InputFileError, match=r"b\.npy: cannot be written \(No space left on device\); free space"):
        write_array(tmp_path / "b.npy", array)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputFileError, match=r"nowhere/x: cannot be written \(No such file or directory\); choose"):
        write_array(tmp_path / "nowhere" / "x", np.zeros(1))

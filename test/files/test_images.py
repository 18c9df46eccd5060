"""Image files of every depth become the 8-bit RGB that the matcher eats; what is damaged is refused in one line."""

import os
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.files.images import colour_disparity, read_pair, write_rgb

RANDOM = np.random.default_rng(0)
# A name as written on a system with Latin-1 names: no valid UTF-8.
LATIN_1 = os.fsdecode(b"lat\xe9")


def save(path, image):
    assert cv2.imwrite(str(path), image)
    return path


def test_colour_order_survives_a_round_trip(tmp_path):
    image = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_rgb(tmp_path / "a.png", image)
    left, right = read_pair(tmp_path / "a.png", tmp_path / "a.png")
    np.testing.assert_array_equal(left, image)
    np.testing.assert_array_equal(right, image)


def test_grey_is_repeated_and_alpha_dropped(tmp_path):
    grey, bgra = np.arange(12, dtype=np.uint8).reshape(3, 4), RANDOM.integers(0, 256, (3, 4, 4), dtype=np.uint8)
    left, right = read_pair(save(tmp_path / "grey.png", grey), save(tmp_path / "bgra.png", bgra))
    np.testing.assert_array_equal(left, np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(right, bgra[..., 2::-1])


@pytest.mark.parametrize(("brightest", "shift"), [(255, 0), (1023, 2), (1100, 3), (4095, 4), (65535, 8)])
def test_16_bit_pairs_have_one_gain(tmp_path, brightest, shift):
    """One bright spot in one image of a pair changes both alike; opaque alpha is no bright spot."""
    left = RANDOM.integers(0, 256, (4, 5, 4), dtype=np.uint16)
    left[..., 3] = 65535
    right = RANDOM.integers(0, 256, (4, 5), dtype=np.uint16)
    right[1, 2] = brightest
    pair = read_pair(save(tmp_path / "left.png", left), save(tmp_path / "right.png", right))
    np.testing.assert_array_equal(pair[0], left[..., 2::-1] >> shift)
    np.testing.assert_array_equal(pair[1], np.repeat(right[..., None] >> shift, 3, axis=2))
    swapped = read_pair(tmp_path / "right.png", tmp_path / "left.png")
    np.testing.assert_array_equal(swapped[1], pair[0])


def test_16_bit_files_become_what_16_bit_topics_become(tmp_path):
    from ffstereo_ros.ros.conversions import pair_to_rgb

    images = [RANDOM.integers(0, high, (4, 5), dtype=np.uint16) for high in (900, 1500)]
    paths = [save(tmp_path / f"{number}.png", image) for number, image in enumerate(images)]
    for ours, nodes in zip(read_pair(*paths), pair_to_rgb(*(mono16(image) for image in images))):
        np.testing.assert_array_equal(ours, nodes)


def mono16(image):
    from types import SimpleNamespace

    height, width = image.shape
    fields = {"encoding": "mono16", "is_bigendian": 0, "step": 2 * width, "data": image.astype("<u2").tobytes()}
    return SimpleNamespace(width=width, height=height, **fields)


def test_8_bit_beside_16_bit_stays_as_it_is(tmp_path):
    eight, sixteen = np.full((2, 2), 200, np.uint8), np.full((2, 2), 800, np.uint16)
    left, right = read_pair(save(tmp_path / "8.png", eight), save(tmp_path / "16.png", sixteen))
    assert (left == 200).all()
    assert (right == 200).all()


def test_names_that_are_no_utf_8_are_written_and_read(tmp_path):
    image = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    folder = tmp_path / LATIN_1
    folder.mkdir()
    write_rgb(folder / f"{LATIN_1}.png", image)
    np.testing.assert_array_equal(read_pair(*[folder / f"{LATIN_1}.png"] * 2)[0], image)


def huge_png():
    """Its header claims 100000x100000 px, with a checksum that fits."""
    data = bytearray(cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes())
    data[16:24] = (100000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def cut(suffix):
    data = cv2.imencode(suffix, cv2.GaussianBlur(RANDOM.integers(0, 256, (99, 99, 3), dtype=np.uint8), (9, 9), 0))[1]
    return data.tobytes()[: len(data) // 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello", "not an image that OpenCV can read"),
        (b"", "is empty"),
        (cut(".jpg"), "is truncated or damaged; copy or export it again"),
        (cut(".png"), "is truncated or damaged"),
        (huge_png(), r"says it is 100000x100000 px, at most 67108864 px are read"),
        (b"P5\n100000 100000\n255\n", "can"),  # of other formats OpenCV itself has to say something
        (cv2.imencode(".tiff", np.zeros((2, 2), np.float32))[1].tobytes(), "float32, but images of 8 and 16 bits"),
    ],
)
def test_what_is_no_whole_image_is_refused_in_one_line(tmp_path, content, said):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputFileError, match=said) as refusal:
        read_pair(tmp_path / "x", tmp_path / "x")
    assert str(refusal.value).startswith(f"image {tmp_path}/x: ")
    assert "\n" not in str(refusal.value)


def test_what_cannot_be_opened_says_why(tmp_path, monkeypatch):
    with pytest.raises(InputFileError, match="no such file"):
        read_pair(tmp_path / "missing.png", tmp_path / "missing.png")
    with pytest.raises(InputFileError, match="Is a directory"):
        read_pair(tmp_path, tmp_path)
    path = save(tmp_path / "a.png", np.zeros((2, 2), np.uint8))

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputFileError, match=r"a\.png: cannot be read \(Permission denied\)"):
        read_pair(path, path)


def test_what_cannot_be_written_says_why(tmp_path):
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(InputFileError, match=r"cannot be written \(No such file or directory\)"):
        write_rgb(tmp_path / "nowhere" / "a.png", image)
    with pytest.raises(InputFileError, match=r"a\.xyz: cannot be encoded"):
        write_rgb(tmp_path / "a.xyz", image)


def test_unknown_is_black_and_near_differs_from_far():
    colour = colour_disparity(np.array([[np.nan, 1.0, 50.0]], np.float32))
    assert (colour[0, 0] == 0).all()
    assert (colour[0, 1] != colour[0, 2]).any()
    assert (colour_disparity(np.full((2, 2), np.nan, np.float32)) == 0).all()

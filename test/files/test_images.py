"""Image files of every depth become the 8-bit RGB that the matcher eats."""

import cv2
import numpy as np
import pytest

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.files.images import colour_disparity, read_rgb, to_8_bit, write_rgb


def test_colour_order_survives_a_round_trip(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_rgb(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), image)


def test_grey_is_repeated_and_alpha_dropped(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_rgb(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))
    bgra = np.random.default_rng(0).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "bgra.png"), bgra)
    np.testing.assert_array_equal(read_rgb(tmp_path / "bgra.png"), bgra[..., 2::-1])


@pytest.mark.parametrize(("brightest", "bits"), [(255, 8), (1023, 10), (1024, 12), (4095, 12), (65535, 16)])
def test_16_bit_keeps_the_bits_in_use(brightest, bits):
    image = np.array([[0, brightest // 2, brightest]], np.uint16)
    np.testing.assert_array_equal(to_8_bit(image), image >> (bits - 8))


def test_refuses_what_is_no_image(tmp_path):
    (tmp_path / "no.png").write_text("hello")
    with pytest.raises(InputFileError, match="not an image"):
        read_rgb(tmp_path / "no.png")
    with pytest.raises(InputFileError, match="no such file"):
        read_rgb(tmp_path / "missing.png")
    with pytest.raises(InputFileError, match="float32"):
        to_8_bit(np.zeros((2, 2), np.float32))


def test_unknown_is_black_and_near_differs_from_far():
    colour = colour_disparity(np.array([[np.nan, 1.0, 50.0]], np.float32))
    assert (colour[0, 0] == 0).all()
    assert (colour[0, 1] != colour[0, 2]).any()
    assert (colour_disparity(np.full((2, 2), np.nan, np.float32)) == 0).all()

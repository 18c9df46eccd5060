"""Every encoding becomes the same RGB, whatever its step and byte order; CameraInfo becomes the pair it describes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from ros_rig import BASELINE, CX_LEFT, CX_RIGHT, FOCAL, HEIGHT, WIDTH, camera_info, image
from sensor_msgs.msg import Image

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import CalibrationError, ImageError
from ffstereo_ros.ros.conversions import camera_from_info, pair_to_rgb

RGB = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = np.full((5, 7, 1), 77, np.uint8)
GREY = RGB[..., 1].copy()
GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)

EIGHT_BIT: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "8UC3": (RGB[..., ::-1], RGB),
    "rgba8": (np.concatenate([RGB, ALPHA], axis=2), RGB),
    "bgra8": (np.concatenate([RGB[..., ::-1], ALPHA], axis=2), RGB),
    "8UC4": (np.concatenate([RGB[..., ::-1], ALPHA], axis=2), RGB),
    "mono8": (GREY, GREY_RGB),
    "8UC1": (GREY, GREY_RGB),
}


def _padded(message: Image, padding: int) -> Image:
    """The same image with ``padding`` bytes of rubbish after every row but the last."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    wide = np.concatenate([rows, np.full((message.height, padding), 201, np.uint8)], axis=1)
    message.data = wide.tobytes()[:-padding]
    message.step += padding
    return message


def _left(message: Image) -> NDArray[np.uint8]:
    return pair_to_rgb(message, message)[0]


@pytest.mark.parametrize("encoding", EIGHT_BIT)
def test_8_bit_encodings_become_rgb(encoding: str) -> None:
    pixels, expected = EIGHT_BIT[encoding]
    np.testing.assert_array_equal(_left(image(pixels, encoding)), expected)
    np.testing.assert_array_equal(_left(_padded(image(pixels, encoding), 9)), expected)


def test_rgb8_is_a_view_of_the_message() -> None:
    message = image(RGB, "rgb8")
    rgb = _left(message)
    message.data[0] ^= 0xFF
    assert rgb[0, 0, 0] == RGB[0, 0, 0] ^ 0xFF


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_keeps_the_bits_in_use(encoding: str, order: str) -> None:
    ten_bits = (GREY.astype(np.uint16) << 2 | 1).astype(f"{order}u2")
    ten_bits[0, 0] = 1023
    message = _padded(image(ten_bits, encoding, is_bigendian=int(order == ">")), 3)
    expected = GREY.copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(_left(message)[..., 2], expected)


def test_16_bit_has_one_gain_for_both_images() -> None:
    bright, dark = np.full((4, 4), 4000, "<u2"), np.full((4, 4), 200, "<u2")
    left, right = pair_to_rgb(image(bright, "mono16"), image(dark, "mono16"))
    assert (left[0, 0, 0], right[0, 0, 0]) == (4000 >> 4, 200 >> 4)  # 4000 takes 12 bits


def test_16_bit_of_no_more_than_8_bits_stays() -> None:
    np.testing.assert_array_equal(_left(image(GREY.astype("<u2"), "mono16")), GREY_RGB)


def test_other_encodings_go_through_cv_bridge() -> None:
    pytest.importorskip("cv_bridge")
    flat = np.empty((8, 8), np.uint8)
    flat[::2, ::2], flat[::2, 1::2], flat[1::2, ::2], flat[1::2, 1::2] = 200, 100, 100, 50  # red, green, green, blue
    np.testing.assert_array_equal(_left(image(flat, "bayer_rggb8"))[4, 4], (200, 100, 50))


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (image(GREY, "no_such"), "left image has encoding 'no_such'"),
        (image(GREY, "\n"), r"left image has encoding '\n'"),
        (image(GREY.astype(np.float32), "32FC1"), "left image has encoding '32FC1'"),
        (image(RGB, "rgb8", height=6), "has 105 bytes of data but needs 126: it is truncated"),
        (image(RGB, "rgb8", step=20), "step = 20 bytes but a row has 21"),
        (image(RGB, "rgb8", width=0), "0x5 px: it has no pixels"),
        (image(RGB, "rgb8", height=0), "7x0 px: it has no pixels"),
        (image(GREY, "mono16"), "step = 7 bytes but a row has 14"),
        (image(GREY, "bayer_rggb8", height=9), "left image has encoding 'bayer_rggb8'"),
    ],
)
def test_a_broken_image_is_refused_in_one_line(message: Image, line: str) -> None:
    with pytest.raises(ImageError) as refusal:
        pair_to_rgb(message, image(RGB, "rgb8"))
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


def _pair(**changes: object) -> tuple[object, object]:
    infos = camera_info(), camera_info(cx=CX_RIGHT, t=BASELINE)
    for info in infos:
        for name, value in changes.items():
            setattr(info, name, value)
    return infos


def test_camera_of_both_projections() -> None:
    camera = camera_from_info(*_pair(), width=WIDTH, height=HEIGHT)
    expected = StereoCamera(WIDTH, HEIGHT, FOCAL, FOCAL, CX_LEFT, CX_RIGHT, HEIGHT / 2, BASELINE)
    assert camera == expected
    assert camera_from_info(*_pair(), width=WIDTH, height=HEIGHT) is camera  # kept while nothing changes


def test_binning_and_region_of_interest_are_applied() -> None:
    infos = _pair(binning_x=2, binning_y=2)
    for info in infos:
        info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 20, 16, 100, 64
    camera = camera_from_info(*infos, width=50, height=32)
    # A point at (x, y, z) is seen at f x / z + cx; cut and binned, at half of that less the offset.
    assert (camera.f, camera.cx_left, camera.cx_right) == (FOCAL / 2, (CX_LEFT - 20) / 2, (CX_RIGHT - 20) / 2)
    assert (camera.cy, camera.baseline) == ((HEIGHT / 2 - 16) / 2, BASELINE)


@pytest.mark.parametrize("side", [0, 1])
def test_a_camera_info_of_another_size_is_refused(side: int) -> None:
    infos = _pair()
    infos[side].width = 640
    with pytest.raises(CalibrationError, match=f"{('left', 'right')[side]} image is 160x96 px but its camera_info"):
        camera_from_info(*infos, width=WIDTH, height=HEIGHT)

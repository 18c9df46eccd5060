"""JPEG and PNG become the same pixels as raw images; what is damaged or cut off costs one frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rclpy.qos import qos_profile_sensor_data
from ros_rig import CX_LEFT, CX_RIGHT, HEIGHT, SHIFT, WIDTH, Rig, good_frame, plane, texture
from sensor_msgs.msg import CompressedImage

from ffstereo_ros.errors import ImageError
from ffstereo_ros.ros.compressed import decode_compressed
from ffstereo_ros.ros.conversions import pair_to_rgb
from ffstereo_ros.ros.processes import ModuleProcess

GREY = texture(48, 64)
# Three smooth, different channels: JPEG keeps them, and a swap of red and blue cannot hide.
RGB = np.stack([cv2.GaussianBlur(texture(48, 64, seed), (0, 0), 4) for seed in (1, 2, 3)], axis=2)
# Worst of all pixels that was measured: grey 5, colour 4.
_JPEG_LEVELS = 12

StartNode = Callable[..., ModuleProcess]


def compressed(pixels: NDArray[Any], suffix: str = ".jpg", text: str = "jpeg") -> CompressedImage:
    """A message of these pixels, colours in OpenCV's order."""
    return CompressedImage(format=text, data=cv2.imencode(suffix, pixels)[1].tobytes())


def _difference(decoded: NDArray[Any], expected: NDArray[Any]) -> int:
    return int(np.abs(decoded.astype(int) - expected).max())


def test_jpeg_becomes_rgb() -> None:
    grey = decode_compressed(compressed(GREY), "left")
    assert (grey.shape, grey.dtype) == ((48, 64, 3), np.uint8)
    assert _difference(grey, GREY[..., None]) <= _JPEG_LEVELS
    assert _difference(decode_compressed(compressed(RGB[..., ::-1]), "left"), RGB) <= _JPEG_LEVELS


def test_png_is_exact() -> None:
    np.testing.assert_array_equal(decode_compressed(compressed(RGB[..., ::-1], ".png"), "left"), RGB)
    with_alpha = np.dstack([RGB[..., ::-1], GREY])
    np.testing.assert_array_equal(decode_compressed(compressed(with_alpha, ".png"), "left"), RGB)


def test_16_bit_infrared_is_scaled_as_raw_is() -> None:
    twelve = (GREY.astype(np.uint16) << 4) + 7
    message = compressed(twelve, ".png", "16UC1; png compressed ")
    np.testing.assert_array_equal(decode_compressed(message, "left"), twelve)
    bits = int(twelve.max()).bit_length()
    np.testing.assert_array_equal(pair_to_rgb(message, message)[0][..., 0], twelve >> (bits - 8))


@pytest.mark.parametrize("behind", [bytes(100_000), b"\n", b"\xff" * 64, b"\xff\xda notes", b"\xff\xd8\xff"])
def test_what_follows_the_image_does_not_matter(behind: bytes) -> None:
    """Buffers of fixed size are filled up; others append what they like."""
    message = compressed(GREY)
    message.data = message.data.tobytes() + behind
    assert decode_compressed(message, "left").shape == (48, 64, 3)


def _cut(message: CompressedImage, share: float) -> CompressedImage:
    message.data = message.data[: int(share * len(message.data))]
    return message


def _with(data: bytes, text: str = "jpeg") -> CompressedImage:
    return CompressedImage(format=text, data=data)


_JPEG_HEAD = b"\xff\xd8\xff\xc0\0\x0b\x08"
_THUMBNAIL = compressed(GREY[:8, :8].copy()).data.tobytes()
_WITH_THUMBNAIL = (
    b"\xff\xd8\xff\xe1" + (2 + len(_THUMBNAIL)).to_bytes(2, "big") + _THUMBNAIL + compressed(GREY).data.tobytes()[2:]
)
_PNG_HEAD = compressed(GREY, ".png").data.tobytes()[:33]


def _resized(message: CompressedImage, size: bytes) -> CompressedImage:
    """Another size in the header, and nothing else changed."""
    data = bytearray(message.data)
    at = 16 if message.data[0] == 0x89 else data.index(b"\xff\xc0") + 5
    data[at : at + len(size)] = size
    return _with(bytes(data))


BAD: dict[str, tuple[Callable[[], CompressedImage], str]] = {
    "empty": (lambda: _with(b""), r"\(0 bytes, format 'jpeg'\) is neither JPEG nor PNG"),
    "video": (lambda: _with(b"\0\0\0\1" + bytes(99), "h264"), "format 'h264'.*neither JPEG nor PNG"),
    "half a JPEG": (lambda: _cut(compressed(GREY), 0.5), "is truncated"),
    "almost a JPEG": (lambda: _cut(compressed(GREY), 0.999), "is truncated"),
    "half a PNG": (lambda: _cut(compressed(GREY, ".png"), 0.5), "is truncated"),
    "half a JPEG with a thumbnail": (lambda: _with(_WITH_THUMBNAIL[:-200]), "is truncated"),
    "only the marks": (lambda: _with(b"\xff\xd8\xff\xe0\xff\xd9"), "is truncated"),
    "a JPEG without a size": (lambda: _with(b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9"), "has no size"),
    "a JPEG without a scan": (lambda: _with(_JPEG_HEAD + b"\0\x20\0\x20\1\1\x11\0\xff\xd9"), "is truncated"),
    "a JPEG of nothing": (
        lambda: _with(_JPEG_HEAD + b"\0\x20\0\x20\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9"),
        "cannot be decoded",
    ),
    "a JPEG of 4 gigapixels": (lambda: _resized(compressed(GREY), b"\xff\xfe\xff\xfd"), "says it is 65533x65534 px"),
    "a PNG of a gigapixel": (
        lambda: _resized(compressed(GREY, ".png"), b"\0\0\x7f\xff\0\0\x7f\xff"),
        "says it is 32767x32767 px",
    ),
    "a PNG with a chunk of 2 GB": (lambda: _with(_PNG_HEAD + b"\x7f\xff\xff\xffIDATIEND\xaeB`\x82"), "is truncated"),
    "two channels of 16 bits": (
        lambda: compressed(np.dstack([GREY.astype(np.uint16)] * 3), ".png"),
        "3 channels of uint16",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_damaged_is_an_image_error(name: str) -> None:
    make, reason = BAD[name]
    with pytest.raises(ImageError, match=f"^left image .*{reason}"):
        decode_compressed(make(), "left")


def test_a_node_on_compressed_topics(rig: Rig, start_node: StartNode) -> None:
    """Both images as PNG below the remapped names; a JPEG that is cut off is counted, and the next pair passes."""
    start_node("-p", "input_transport:=compressed", "-r", "left/image_rect:=/cam/left")
    topics = ("/cam/left/compressed", "right/image_rect/compressed")
    publishers = [rig.node.create_publisher(CompressedImage, topic, qos_profile_sensor_data) for topic in topics]
    rig.listen("disparity")
    rig.spin_until(lambda: min(each.get_subscription_count() for each in publishers) > 0, what="the node's inputs")
    pair = [compressed(pixels, ".png", "mono8; png compressed ") for pixels in plane()]

    def send(first: CompressedImage) -> int:
        infos = good_frame(silent=("left/image_rect", "right/image_rect"))
        stamp = rig.send(infos)
        for message, publisher in zip((first, pair[1]), publishers):
            message.header = infos.left_info.header
            publisher.publish(message)
        return stamp

    with rig.sending(lambda: send(_cut(compressed(GREY), 0.5))):
        rig.spin_until(lambda: int(rig.status.get("dropped_bad_image", 0)) > 0, what="a bad image counted")
    sent: set[int] = set()
    with rig.sending(lambda: sent.add(send(pair[0]))):
        rig.spin_until(lambda: rig.received["disparity"], what="a disparity")
    values = np.frombuffer(rig.received["disparity"][0].image.data, np.float32).reshape(HEIGHT, WIDTH)
    np.testing.assert_allclose(values[8:-8, SHIFT + 8 : -8], SHIFT + CX_RIGHT - CX_LEFT, atol=0.07)
    rig.spin_until(lambda: int(rig.status["received left/image_rect"]) > 0, what="its topics under their own names")

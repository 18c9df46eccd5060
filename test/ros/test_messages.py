"""Each message says what it means by its own rule, and real readers read it back."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from ros_rig import camera_info
from sensor_msgs.msg import Image, PointCloud2, PointField
from sensor_msgs_py.point_cloud2 import read_points
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.geometry import depth_from_disparity, points_from_depth
from ffstereo_ros.ros import messages

NAN = float("nan")
HEADER = Header(frame_id="left_optical")
DISPARITY = np.array([[0.0, 1.5, NAN], [10.0, 63.0, 4.0]], np.float32)
RGB = np.array([[[255, 0, 0], [1, 2, 3], [0, 0, 0]], [[255, 255, 255], [128, 64, 32], [9, 8, 7]]], np.uint8)


def _camera(cx_offset: float) -> StereoCamera:
    return StereoCamera(3, 2, 100.0, 100.0, 1.0, 1.0 + cx_offset, 0.5, 0.2)


def _floats(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


@pytest.mark.parametrize("cx_offset", [0.0, 31.086, -2.0])
def test_a_disparity_image_gives_the_depth_by_its_own_definition(cx_offset: float) -> None:
    camera = _camera(cx_offset)
    message = messages.disparity_message(DISPARITY, camera, HEADER, max_disparity=64.0, step=0.0625)
    values = _floats(message.image)
    known = values >= message.min_disparity
    with np.errstate(divide="ignore"):
        depth = np.where(known, np.float32(message.f * message.t) / values, np.nan)
    depth[np.isinf(depth)] = np.nan  # a disparity of 0 is known, and infinitely far
    np.testing.assert_allclose(depth, depth_from_disparity(DISPARITY, camera), rtol=1e-6)
    assert not known[0, 2]
    assert message.max_disparity == pytest.approx(64.0 + cx_offset)
    assert message.min_disparity == pytest.approx(max(cx_offset, 0.0))
    assert np.all(values[known] <= message.max_disparity)
    assert (message.image.encoding, message.image.step, message.delta_d) == ("32FC1", 12, 0.0625)
    assert (message.valid_window.width, message.valid_window.height) == (3, 2)
    assert (message.header, message.image.header) == (HEADER, HEADER)


def test_depth_in_metres_keeps_nan() -> None:
    depth = np.array([[1.25, NAN]], np.float32)
    message = messages.depth_message(depth, HEADER, "32FC1")
    np.testing.assert_array_equal(_floats(message), depth)


def test_depth_in_millimetres_is_0_where_unknown_too_near_or_too_far() -> None:
    depth = np.array([[1.2344, NAN, 65.535, 65.6, 1e6, 0.0004, 0.001]], np.float32)
    message = messages.depth_message(depth, HEADER, "16UC1")
    assert np.frombuffer(message.data, "<u2").tolist() == [1234, 0, 65535, 0, 0, 0, 1]
    assert (message.encoding, message.step, message.is_bigendian) == ("16UC1", 14, 0)


def test_a_cloud_is_read_back() -> None:
    camera = _camera(2.0)
    depth = depth_from_disparity(DISPARITY, camera)
    points = points_from_depth(depth, camera)
    cloud = messages.cloud_message(depth, camera, RGB, HEADER)
    cloud = deserialize_message(serialize_message(cloud), PointCloud2)
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (2, 3, 16, 48)
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ("x", 0, PointField.FLOAT32, 1),
        ("y", 4, PointField.FLOAT32, 1),
        ("z", 8, PointField.FLOAT32, 1),
        ("rgb", 12, PointField.FLOAT32, 1),
    ]
    assert not cloud.is_dense
    read = read_points(cloud).reshape(2, 3)
    np.testing.assert_array_equal(np.stack([read["x"], read["y"], read["z"]], axis=-1), points)
    packed = np.ascontiguousarray(read["rgb"]).view(np.uint32)
    np.testing.assert_array_equal(np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1), RGB)


def test_a_reader_that_skips_nan_keeps_every_known_point() -> None:
    depth = np.ones((2, 3), np.float32)
    depth[0, 2] = np.nan
    # 255, 255, 255 with a fourth byte of 255 would be a NaN.
    cloud = messages.cloud_message(depth, _camera(0.0), RGB, HEADER)
    assert len(read_points(cloud, skip_nans=True)) == 5


@pytest.mark.parametrize("stride", [1, 3])
def test_a_tall_cloud_is_whole(stride: int) -> None:
    """Messages are filled a block of rows at a time."""
    height, width = 131, 70
    camera = StereoCamera(width, height, 100.0, 90.0, 33.0, 33.0, 61.0, 0.2)
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 9, (height, width)).astype(np.float32)
    padded = rng.integers(0, 256, (height, width + 5, 3), np.uint8)
    rgb = padded[:, :width]  # rows with padding, as a camera may send them
    cloud = messages.cloud_message(depth, camera, rgb, HEADER, stride=stride)
    words = np.frombuffer(cloud.data, np.float32).reshape(cloud.height, cloud.width, 4)
    np.testing.assert_array_equal(words[..., :3], points_from_depth(depth, camera)[::stride, ::stride])
    packed = words[..., 3].copy().view(np.uint8).reshape(*words.shape[:2], 4)
    np.testing.assert_array_equal(packed[..., 2::-1], rgb[::stride, ::stride])
    assert not packed[..., 3].any()


def test_a_tall_colour_image_is_whole() -> None:
    disparity = np.tile(np.linspace(0, 60, 131, dtype=np.float32)[:, None], (1, 5))
    whole = np.frombuffer(messages.colour_image(disparity, HEADER, max_disparity=64.0).data, np.uint8)
    for row in (0, 47, 48, 95, 96, 130):
        alone = messages.colour_image(disparity[row : row + 1], HEADER, max_disparity=64.0).data
        assert whole.reshape(131, -1)[row].tobytes() == alone.tobytes()


def test_colours_are_fixed_and_black_is_unknown() -> None:
    message = messages.colour_image(DISPARITY, HEADER, max_disparity=64.0)
    assert message.encoding == "bgr8"
    bgr = np.frombuffer(message.data, np.uint8).reshape(2, 3, 3)
    assert bgr[0, 2].tolist() == [0, 0, 0]
    assert bgr.any(axis=2).sum() == 5
    blue, _, red = bgr[1, 1].astype(int)
    assert red > 2 * blue  # the nearest
    np.testing.assert_array_equal(
        bgr[0],
        np.frombuffer(messages.colour_image(DISPARITY[:1], HEADER, max_disparity=64.0).data, np.uint8).reshape(3, 3),
    )


def test_the_depth_camera_info_is_the_left_cameras() -> None:
    left = camera_info()
    left.header.frame_id = "another"
    info = messages.depth_camera_info(left, HEADER)
    assert (info.header.frame_id, left.header.frame_id) == ("left_optical", "another")
    assert (info.width, info.height, list(info.p)) == (left.width, left.height, list(left.p))


def test_a_disparity_beyond_the_range_is_the_nearest_colour() -> None:
    # Up to 1 px beyond the maximum is kept by the matcher: the level must not wrap around.
    ends = np.array([[8.0, 9.0]], np.float32)
    bgr = np.frombuffer(messages.colour_image(ends, HEADER, max_disparity=8.0).data, np.uint8).reshape(2, 3)
    np.testing.assert_array_equal(bgr[0], bgr[1])

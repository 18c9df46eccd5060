"""The contract that the real message_filters, cv_bridge and sensor_msgs_py, and the stand-ins for them, keep alike."""

from __future__ import annotations

from typing import Any

import cv_bridge
import message_filters
import numpy as np
import pytest
from ros_rig import image
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from sensor_msgs_py.point_cloud2 import read_points


def _message(nanoseconds: int) -> CameraInfo:
    info = CameraInfo()
    info.header.stamp.sec, info.header.stamp.nanosec = divmod(nanoseconds, 1_000_000_000)
    return info


def _synchronise(slop: float | None, queue_size: int, arrivals: list[tuple[int, int]], inputs: int = 3) -> list[Any]:
    """Feeds ``(input, stamp)`` and returns the stamps of the sets that come out, ns."""
    filters = [message_filters.SimpleFilter() for _ in range(inputs)]
    if slop is None:
        sync = message_filters.TimeSynchronizer(filters, queue_size)
    else:
        sync = message_filters.ApproximateTimeSynchronizer(filters, queue_size, slop)
    sets: list[Any] = []
    sync.registerCallback(lambda *messages: sets.append(tuple(m.header.stamp.nanosec for m in messages)))
    for index, stamp in arrivals:
        filters[index].signalMessage(_message(stamp))
    return sets


def test_exact_sync_matches_equal_stamps_in_any_order() -> None:
    arrivals = [(0, 10), (1, 20), (2, 10), (0, 20), (1, 10), (2, 20), (0, 30), (1, 31), (2, 30)]
    assert _synchronise(None, 5, arrivals) == [(10, 10, 10), (20, 20, 20)]


def test_exact_sync_forgets_the_oldest() -> None:
    assert _synchronise(None, 2, [(0, 10), (0, 20), (0, 30), (1, 10), (2, 10), (1, 30), (2, 30)]) == [(30, 30, 30)]


def test_approximate_sync_matches_within_its_slop() -> None:
    arrivals = [(0, 1000), (1, 1004), (2, 1008), (0, 2000), (1, 2004), (2, 2011)]
    assert _synchronise(10e-9, 5, arrivals) == [(1000, 1004, 1008)]


def test_approximate_sync_takes_the_nearest() -> None:
    arrivals = [(0, 1000), (0, 1100), (1, 1103), (1, 1190), (2, 1101)]
    assert _synchronise(150e-9, 5, arrivals) == [(1100, 1103, 1101)]
    assert _synchronise(100e-9, 5, [(1, 905), (1, 1006), (0, 1000)], inputs=2) == [(1000, 1006)]


def test_waiting_messages_are_in_queues_that_can_be_read_and_emptied() -> None:
    filters = [message_filters.SimpleFilter() for _ in range(2)]
    sync = message_filters.TimeSynchronizer(filters, 5)
    sets: list[Any] = []
    sync.registerCallback(lambda *messages: sets.append(messages))
    filters[0].signalMessage(_message(10))
    assert [len(queue) for queue in sync.queues] == [1, 0]
    for queue in sync.queues:
        for key in [key for key, message in queue.items() if message.header.stamp.nanosec == 10]:
            del queue[key]
    filters[1].signalMessage(_message(10))
    assert sets == []


def test_callbacks_run_in_the_order_of_registration_with_their_arguments() -> None:
    source = message_filters.SimpleFilter()
    calls: list[Any] = []
    source.registerCallback(lambda message, tag: calls.append((message, tag)), "first")
    source.registerCallback(lambda message: calls.append(message))
    source.signalMessage(7)
    assert calls == [(7, "first"), 7]


COLOUR = (200, 100, 50)


def _mosaic(pattern: str) -> np.ndarray:
    mosaic = np.empty((8, 8), np.uint8)
    for place, letter in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = COLOUR["rgb".index(letter)]
    return mosaic


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(pattern: str) -> None:
    rgb = cv_bridge.CvBridge().imgmsg_to_cv2(image(_mosaic(pattern), f"bayer_{pattern}8"), "rgb8")
    np.testing.assert_array_equal(rgb[3:5, 3:5].reshape(-1, 3), [COLOUR] * 4)


def test_yuv422_of_grey() -> None:
    uyvy = np.full((4, 4, 2), 128, np.uint8)
    rgb = cv_bridge.CvBridge().imgmsg_to_cv2(image(uyvy, "yuv422"), "rgb8")
    assert rgb.shape == (4, 4, 3)
    assert np.ptp(rgb) == 0
    assert abs(int(rgb[0, 0, 0]) - 130) <= 1  # (128 - 16) * 255 / 219 of BT.601


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_colour_is_scaled(order: str) -> None:
    pixels = np.full((4, 4, 3), (65535, 32768, 0), f"{order}u2")
    rgb = cv_bridge.CvBridge().imgmsg_to_cv2(image(pixels, "rgb16", is_bigendian=int(order == ">")), "rgb8")
    assert abs(rgb[0, 0].astype(int) - (255, 128, 0)).max() <= 1


@pytest.mark.parametrize("encoding", ["32FC1", "no_such"])
def test_an_encoding_without_colour_is_refused(encoding: str) -> None:
    with pytest.raises(Exception, match=r".*"):
        cv_bridge.CvBridge().imgmsg_to_cv2(image(np.ones((4, 4), np.float32), encoding), "rgb8")


def _cloud(*, bigendian: bool = False) -> PointCloud2:
    """2 rows of 2 points of 12 bytes: x (float), 4 bytes of nothing, i (uint16), 2 of nothing; rows of 28 bytes."""
    dtype = np.dtype({"names": ["x", "i"], "formats": ["<f4", "<u2"], "offsets": [0, 8], "itemsize": 12}).newbyteorder(
        ">" if bigendian else "<"
    )
    points = np.zeros((2, 2), dtype)
    points["x"], points["i"] = [[1.0, np.nan], [3.0, 4.0]], [[1, 2], [3, 4]]
    rows = points.view(np.uint8).reshape(2, 24)
    fields = [
        PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1),
        PointField(name="i", offset=8, datatype=PointField.UINT16, count=1),
    ]
    return PointCloud2(
        height=2, width=2, fields=fields, is_bigendian=bigendian, point_step=12, row_step=24, data=rows.tobytes()
    )


def test_points_are_read_by_field() -> None:
    points = read_points(_cloud())
    assert points["i"].tolist() == [1, 2, 3, 4]
    assert read_points(_cloud(), field_names=["i"]).dtype.names == ("i",)
    assert read_points(_cloud(), skip_nans=True)["x"].tolist() == [1.0, 3.0, 4.0]

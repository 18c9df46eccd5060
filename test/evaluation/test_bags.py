from __future__ import annotations

import numpy as np
import pytest
from bag_factory import DEPTH, HEIGHT, SHIFT, WIDTH

from ffstereo_ros.cli.evaluate_bag import node_decoders
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.bag_frames import FrameStream
from ffstereo_ros.evaluation.bag_truth import CLOUD, DISPARITY, TF_TYPE, BagTruth, find_truth
from ffstereo_ros.evaluation.bags import Bag, find_topics

IMAGE, COMPRESSED, INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
START, STEP = 1_700_000_000_000_000_000, 50_000_000


def frames_of(path, tolerance=0.0):
    with Bag(path) as bag:
        stream = FrameStream(bag, find_topics(bag.types), node_decoders(), tolerance=tolerance)
        return list(stream), stream.counts


@pytest.mark.parametrize("storage", ["mcap", "sqlite3", "ros1"])
def test_every_pair_of_every_format_comes_out(bag_factory, storage):
    name = "bag.bag" if storage == "ros1" else "bag"
    with bag_factory(name, storage) as bag:
        for number in range(5):
            bag.pair(START + number * STEP, seed=number)
    frames, counts = frames_of(bag.path)
    assert [frame.stamp for frame in frames] == [START + number * STEP for number in range(5)]
    assert (counts.unpaired_left, counts.unpaired_right, counts.refused) == (0, 0, {})
    wide = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH + SHIFT), dtype=np.uint8)
    np.testing.assert_array_equal(frames[3].left[..., 1], wide[:, :WIDTH])
    np.testing.assert_array_equal(frames[3].right[..., 0], wide[:, SHIFT:])
    assert frames[0].camera.baseline == pytest.approx(0.15)
    assert frames[0].frame_id == "left_optical"


def test_a_missing_partner_is_counted_and_the_rest_goes_on(bag_factory):
    with bag_factory() as bag:
        bag.pair(START)
        bag.pair(START + STEP, right_stamp=START + STEP + 3_000_000)
        bag.pair(START + 2 * STEP)
    frames, counts = frames_of(bag.path)
    assert [frame.stamp for frame in frames] == [START, START + 2 * STEP]
    assert (counts.unpaired_left, counts.unpaired_right) == (1, 1)
    assert len(frames_of(bag.path, tolerance=0.005)[0]) == 3


def test_memory_is_bounded_when_one_camera_is_silent(bag_factory):
    with bag_factory() as bag:
        bag.pair(START)
        picture = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number in range(1, 500):
            stamp = START + number * STEP
            bag.write("/stereo/left/image_rect", IMAGE, bag.image(picture, "mono8", stamp), stamp)
    with Bag(bag.path) as opened:
        stream = FrameStream(opened, find_topics(opened.types), node_decoders())
        assert len(list(stream)) == 1
        assert max(len(waiting) for waiting in stream._pairing.waiting) <= 200
        assert stream.counts.unpaired_left == 499


def test_without_camera_info_there_is_no_camera(bag_factory):
    with bag_factory() as bag:
        bag.pair(START, with_info=False)
    ((frame,), _) = frames_of(bag.path)
    assert frame.camera is None
    assert "no CameraInfo" in frame.camera_trouble


def test_compressed_images_are_unpacked(bag_factory):
    picture = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    with bag_factory() as bag:
        for side in ("left", "right"):
            bag.compressed(f"/cam/{side}/image_rect/compressed", picture, START)
    ((frame,), _) = frames_of(bag.path)
    np.testing.assert_array_equal(frame.left, picture[..., ::-1])


def test_a_frame_that_cannot_be_decoded_is_counted_by_reason(bag_factory):
    with bag_factory() as bag:
        bag.pair(START)
        for side in ("left", "right"):
            message = bag.image(np.zeros((HEIGHT, WIDTH), np.uint8), "mono8", START + STEP)
            message.data = message.data[:100]
            bag.write(f"/stereo/{side}/image_rect", IMAGE, message, START + STEP)
    frames, counts = frames_of(bag.path)
    assert len(frames) == 1
    ((reason, count),) = counts.refused.items()
    assert count == 1
    assert "truncated" in reason


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["/left/image_rect", "/right/image_rect", "/left/image_raw", "/right/image_raw"], "/left/image_rect"),
        (
            ["/camera/infra1/image_rect_raw", "/camera/infra2/image_rect_raw", "/camera/color/image_raw"],
            "/camera/infra1/image_rect_raw",
        ),
        (["/cam0/image_raw", "/cam1/image_raw"], "/cam0/image_raw"),
        (
            ["/left/image_rect_color", "/right/image_rect_color", "/left/image_rect", "/right/image_rect"],
            "/left/image_rect",
        ),
    ],
)
def test_the_pair_is_found_by_name(images, expected):
    topics = find_topics(dict.fromkeys(images, IMAGE))
    assert topics.left == expected
    assert topics.right in images
    assert topics.left_info == ""


def test_topics_named_or_not_found(bag_factory):
    types = {"/a/image": IMAGE, "/b/image": IMAGE, "/a/camera_info": INFO, "/b/camera_info": INFO}
    topics = find_topics(types, left="/a/image", right="/b/image")
    assert (topics.left_info, topics.right_info) == ("/a/camera_info", "/b/camera_info")
    assert topics.namespace == ""
    with pytest.raises(InputFileError, match="name them with --left-topic"):
        find_topics(types)
    with pytest.raises(InputFileError, match="not an image topic of this bag"):
        find_topics(types, left="/a/camera_info", right="/b/image")


def test_results_belong_beside_the_pair():
    assert (
        find_topics(dict.fromkeys(["/robot/stereo/left/image", "/robot/stereo/right/image"], IMAGE)).namespace
        == "/robot/stereo"
    )
    assert find_topics({"/left/image/compressed": COMPRESSED, "/right/image/compressed": COMPRESSED}).namespace == ""


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated"])
def test_a_bag_that_cannot_be_read_is_refused(bag_factory, tmp_path, damage):
    path = tmp_path / "bag"
    if damage == "empty":
        path = tmp_path / "x.mcap"
        path.write_bytes(b"")
    elif damage == "truncated":
        with bag_factory() as bag:
            bag.pair(START)
        (file,) = path.glob("*.mcap")
        file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(InputFileError, match=r"cannot be read as a bag|damaged"):
        frames_of(path)


def truth_of(path, topic=""):
    """The truth of each frame and the notes."""
    frames, _ = frames_of(path)
    with Bag(path) as bag:
        truth = BagTruth(bag, find_truth(bag.types, "/stereo", topic)[0], tolerance=0.02)
        return [truth.disparity(frame) for frame in frames], truth.notes


@pytest.mark.parametrize("storage", ["mcap", "ros1"])
def test_a_disparity_topic_is_truth(bag_factory, storage):
    with bag_factory("bag.bag" if storage == "ros1" else "bag", storage) as bag:
        bag.pair(START)
        bag.disparity(START)
        bag.pair(START + STEP)
    (truth, nothing), _ = truth_of(bag.path)
    assert np.isnan(truth[0]).all()
    np.testing.assert_allclose(truth[1:], SHIFT)
    assert nothing is None  # 50 ms away, 20 ms are allowed


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_an_aligned_depth_image_is_truth(bag_factory, encoding):
    with bag_factory() as bag:
        for number in range(4):
            bag.pair(START + number * STEP)
            bag.depth(START + number * STEP + 7_000_000, encoding)
    truths, notes = truth_of(bag.path, "/stereo/depth/image_rect")
    assert len(truths) == 4
    for truth in truths:
        assert np.isnan(truth[0]).all()
        np.testing.assert_allclose(truth[1:], SHIFT, rtol=1e-6)
    assert notes == set()


def test_a_lidar_is_carried_into_the_camera(bag_factory):
    # The lidar looks along x (REP 103), the camera along z, 0.5 m to the lidar's left.
    y, z = np.meshgrid(np.linspace(-1.5, 1.5, 61), np.linspace(-0.9, 0.9, 19))
    wall = np.column_stack((np.full(y.size, DEPTH), y.ravel(), z.ravel()))
    hidden = wall * (3.0, 3.0, 3.0)
    with bag_factory() as bag:
        bag.static_transform("base", "lidar", (0, 0, 0), (0, 0, 0, 1), START)
        bag.static_transform("base", "left_optical", (0, 0.5, 0), (-0.5, 0.5, -0.5, 0.5), START)
        bag.pair(START)
        bag.cloud(np.vstack((wall, hidden)), START + 5_000_000)
    (truth,), notes = truth_of(bag.path)
    known = truth[np.isfinite(truth)]
    assert known.size > 300
    # Points three times as far lie behind the wall, on the same rays of the lidar, which stands elsewhere.
    assert (np.abs(known - SHIFT) < 1e-3).mean() > 0.95
    # The camera stands at y = 0.5 m and looks along x: a point further right (smaller y) has a larger column.
    expected = np.rint(80 * (0.5 - np.unique(y)) / DEPTH + 48)
    columns = np.unique(np.nonzero(np.abs(truth - SHIFT) < 1e-3)[1])
    np.testing.assert_array_equal(columns, np.sort(expected[(expected >= 0) & (expected < WIDTH)]))
    assert notes == set()


def test_a_lidar_without_a_transform_is_told(bag_factory):
    with bag_factory() as bag:
        bag.static_transform("base", "lidar", (0, 0, 0), (0, 0, 0, 1), START)
        bag.pair(START)
        bag.cloud(np.ones((5, 3)), START)
    with pytest.raises(Exception, match="no static transform connects lidar"):
        truth_of(bag.path)


def test_a_depth_image_of_another_size_is_not_compared(bag_factory):
    with bag_factory() as bag:
        bag.pair(START)
        small = np.ones((10, 10), np.float32)
        bag.write("/depth", IMAGE, bag.image(small, "32FC1", START), START)
    (truth,), notes = truth_of(bag.path)
    assert truth is None
    assert "record it aligned" in notes.pop()


def test_naming_a_truth_that_is_none(bag_factory):
    with pytest.raises(InputFileError, match="a DisparityImage, a depth Image or a PointCloud2"):
        find_truth({"/left/camera_info": INFO}, "", "/left/camera_info")
    topic, why = find_truth({"/left/image_rect": IMAGE}, "")
    assert topic == ""
    assert why == "no truth: the bag has no DisparityImage, no depth Image, and no PointCloud2 with /tf_static"


@pytest.mark.parametrize("namespace", ["", "/robot/stereo"])
def test_what_a_matcher_answered_for_the_pair_is_no_truth_unless_named(namespace):
    own = {"disparity": DISPARITY, "depth/image_rect": IMAGE, "points2": CLOUD}
    types = {f"{namespace}/{name}": kind for name, kind in own.items()} | {"/tf_static": TF_TYPE}
    topic, why = find_truth(types, namespace)
    assert topic == ""
    assert f"{namespace}/disparity, {namespace}/depth/image_rect, {namespace}/points2 are named as" in why
    assert "--truth TOPIC" in why
    assert find_truth(types, namespace, f"{namespace}/disparity") == (f"{namespace}/disparity", "")
    for other, kind in (("/truth", DISPARITY), ("/other/depth/image_rect", IMAGE), ("/lidar", CLOUD)):
        assert find_truth({**types, other: kind}, namespace) == (other, "")

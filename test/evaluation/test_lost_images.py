"""A recording with images lost or damaged: what is left is paired, decoded as the node would, and judged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from bag_factory import HEIGHT, SHIFT, WIDTH

from ffstereo_ros.cli.evaluate_bag import node_decoders
from ffstereo_ros.evaluation import doctor_bag
from ffstereo_ros.evaluation.bag_frames import FrameStream
from ffstereo_ros.evaluation.bags import Bag, find_topics
from ffstereo_ros.evaluation.doctor_pair import SearchRange

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
START, STEP = 1_700_000_000_000_000_000, 33_000_000


def texture(number, side):
    """Left and right of one number belong together, SHIFT px apart."""
    wide = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH + SHIFT), dtype=np.uint8)
    return np.ascontiguousarray(wide[:, :WIDTH] if side == "left" else wide[:, SHIFT:])


def record_with_a_loss(bag, lost=3, count=10):
    """Right images come before left ones, 1 ms apart in stamp and time; one right one is lost."""
    for number in range(count):
        for side, later in (("right", 1_000_000), ("left", 2_000_000)):
            if (side, number) != ("right", lost):
                at = START + number * STEP + later
                bag.write(f"/s/{side}/image_rect", IMAGE, bag.image(texture(number, side), "mono8", at), at)


def belong_together(left, right):
    return np.array_equal(left[:, SHIFT:], right[:, :-SHIFT])


@pytest.mark.parametrize("tolerance", [0.002, 0.1])
def test_one_lost_image_costs_one_pair(bag_factory, tolerance):
    with bag_factory() as bag:
        record_with_a_loss(bag)
    with Bag(bag.path) as opened:
        stream = FrameStream(opened, find_topics(opened.types), node_decoders(), tolerance=tolerance)
        frames = list(stream)
    assert [belong_together(frame.left, frame.right) for frame in frames] == [True] * 9
    assert (stream.counts.unpaired_left, stream.counts.unpaired_right) == (1, 0)


def test_the_doctor_looks_at_true_pairs_only(bag_factory, monkeypatch):
    with bag_factory() as bag:
        record_with_a_loss(bag)
    looked_at = []

    def check_pair(pairs, camera, search=None, **more):
        looked_at.extend(pairs)
        return []

    monkeypatch.setattr(doctor_bag, "check_pair", check_pair)
    with Bag(bag.path) as opened:
        doctor_bag.check_bag(opened, node_decoders(), SearchRange(64))
    assert len(looked_at) == 5
    assert all(belong_together(*pair) for pair in looked_at)


def test_images_of_neighbouring_periods_are_no_pair(bag_factory):
    """A left one lost, then a right one: what is left over lies a period apart."""
    with bag_factory() as bag:
        for number in range(10):
            for side in ("left", "right"):
                if (side, number % 2) in (("left", 0), ("right", 1)):
                    at = START + number * STEP
                    bag.write(f"/s/{side}/image_rect", IMAGE, bag.image(texture(number, side), "mono8", at), at)
    with Bag(bag.path) as opened:
        found = {f.check: f for f in doctor_bag.check_bag(opened, node_decoders(), SearchRange(64))}
    assert "no left image met a right one within 0.0323 s" in found["images"].text


@pytest.mark.parametrize("later", [0.1, 0.48])
def test_cameras_that_run_freely_are_looked_at_all_the_same(bag_factory, later):
    with bag_factory() as bag:
        for number in range(10):
            at = START + number * STEP
            bag.pair(at, right_stamp=at + round(later * STEP))
    with Bag(bag.path) as opened:
        found = {f.check: f for f in doctor_bag.check_bag(opened, node_decoders(), SearchRange(64))}
    assert found["sync"].level == "bad"
    assert "rows" in found, found


def compressed_bag(bag, third):
    """Eight pairs of PNG; ``third`` makes the bytes of the third left one out of whole ones."""
    for number in range(8):
        at = START + number * STEP
        for side in ("left", "right"):
            data = cv2.imencode(".png", texture(number, side))[1].reshape(-1)
            if (side, number) == ("left", 2):
                data = np.frombuffer(third(data.tobytes()), np.uint8)
            message = bag.types[COMPRESSED](header=bag.header(at), format="png", data=data)
            bag.write(f"/s/{side}/image_rect/compressed", COMPRESSED, message, at)


def sixteen_bit_colour(_):
    return cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), 40_000, np.uint16))[1].tobytes()


def half_a_jpeg(_):
    data = cv2.imencode(".jpg", cv2.GaussianBlur(texture(2, "left"), (9, 9), 0))[1].tobytes()
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("third", "said"),
    [
        (lambda data: b"", "neither JPEG nor PNG"),
        (lambda data: b"junk", "neither JPEG nor PNG"),
        (lambda data: data[: len(data) // 2], "truncated or damaged"),
        (half_a_jpeg, "truncated or damaged"),
        (sixteen_bit_colour, "3 channels of uint16"),
    ],
)
def test_one_compressed_image_that_cannot_be_used_is_refused_as_the_node_refuses_it(bag_factory, third, said):
    with bag_factory() as bag:
        compressed_bag(bag, third)
    with Bag(bag.path) as opened:
        stream = FrameStream(opened, find_topics(opened.types), node_decoders())
        assert len(list(stream)) == 7
    ((reason, count),) = stream.counts.refused.items()
    assert count == 1
    assert said in reason


def test_the_doctor_tells_of_the_image_that_cannot_be_used(bag_factory):
    with bag_factory() as bag:
        compressed_bag(bag, lambda data: b"")
    with Bag(bag.path) as opened:
        found = {f.check: f for f in doctor_bag.check_bag(opened, node_decoders(), SearchRange(64))}
    assert found["images"].level == "warn"
    assert found["images"].text.startswith("1 refused: left image (0 bytes")

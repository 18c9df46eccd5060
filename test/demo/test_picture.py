"""The picture is drawn for one and for several answers, with and without the data set in it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ffstereo_ros.core.geometry import depth_from_disparity, points_from_depth
from ffstereo_ros.demo.motorcycle import KnownPair
from ffstereo_ros.demo.scores import judge

pytest.importorskip("matplotlib", reason="needs matplotlib")

from ffstereo_ros.demo.picture import Answer, draw


def answer(pair: KnownPair, title: str, error: float) -> Answer:
    disparity = pair.truth + np.float32(error)
    disparity[:5] = np.nan
    depth = depth_from_disparity(disparity, pair.camera)
    return Answer(title, disparity, depth, points_from_depth(depth, pair.camera), judge(disparity, depth, pair))


def test_a_row_for_the_truth_and_each_answer(pair: KnownPair, tmp_path: Path) -> None:
    sizes = []
    for answers in ([answer(pair, "one", 0.1)], [answer(pair, "one", 0.1), answer(pair, "two", 3.0)]):
        draw(tmp_path / "demo.png", pair, answers)
        sizes.append(cv2.imread(str(tmp_path / "demo.png")).shape)
    assert sizes[0][1] == sizes[1][1] == 1760
    assert sizes[1][0] - sizes[0][0] > 300


def test_without_the_photo_the_data_set_is_not_in_it(pair: KnownPair, tmp_path: Path) -> None:
    """The photograph may be anything: the picture stays the same to the byte."""
    pictures = []
    for index, grey in enumerate((0, 255)):
        file = tmp_path / f"{index}.png"
        other = KnownPair(pair.name, np.full_like(pair.left, grey), pair.right, pair.truth, pair.camera)
        draw(file, other, [answer(pair, "one", 0.1)], with_photo=False)
        pictures.append(file.read_bytes())
    assert pictures[0] == pictures[1]

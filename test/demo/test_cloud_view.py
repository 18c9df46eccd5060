"""The side view of a cloud shows near points over far ones and nothing that is unknown."""

from __future__ import annotations

import numpy as np

from ffstereo_ros.core.geometry import points_from_depth
from ffstereo_ros.demo.cloud_view import render_cloud
from ffstereo_ros.demo.motorcycle import KnownPair

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_near_hides_far(pair: KnownPair) -> None:
    """Two walls, one behind the other, seen from straight ahead: the near one wins, whichever comes first."""
    walls = [points_from_depth(np.full((30, 40), z, dtype=np.float32), pair.camera) for z in (2.0, 4.0)]
    colours = [np.full((30, 40, 3), colour, dtype=np.uint8) for colour in (RED, BLUE)]
    for order in ((0, 1), (1, 0)):
        points, rgb = (np.concatenate([both[index] for index in order]) for both in (walls, colours))
        image = render_cloud(points, rgb, yaw_degrees=0, pitch_degrees=0)
        assert tuple(image[30, 20]) == RED


def test_the_eye_moves(pair: KnownPair) -> None:
    points = points_from_depth(np.linspace(2, 4, 1200, dtype=np.float32).reshape(30, 40), pair.camera)
    ahead = render_cloud(points, pair.left, yaw_degrees=0, pitch_degrees=0)
    aside = render_cloud(points, pair.left, yaw_degrees=30, pitch_degrees=0)
    assert (ahead != aside).any()


def test_nothing_known_is_an_empty_picture(pair: KnownPair) -> None:
    image = render_cloud(np.full((30, 40, 3), np.nan, dtype=np.float32), pair.left, background=7)
    assert image.shape == (30, 40, 3)
    assert (image == 7).all()

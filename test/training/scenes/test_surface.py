"""Surfaces: the right view's columns are the exact inverse of the left view's disparity."""

from __future__ import annotations

import pytest
import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.objects import draw_surface
from ffstereo_ros.training.scenes.surface import Surface

X = torch.arange(0, 200.0).view(1, -1)
Y = torch.arange(0, 50.0).view(-1, 1)


@pytest.mark.parametrize("seed", range(12))
def test_left_column_inverts_the_projection(seed: int) -> None:
    draw = Draw(seed)
    level = draw.uniform(5, 60)
    surface = draw_surface(draw, level, 90.0, 25.0, draw.uniform(10, 80), room=0.15 * level)
    x_right = (X - surface.disparity(X, Y)).expand(50, 200)
    recovered = surface.left_column(x_right, Y.expand(50, 200))
    error = (recovered - X).abs().max()
    assert error < 1e-3, float(error)  # measured 5e-5 px at worst over 40 seeds


def test_plane_is_exact() -> None:
    surface = Surface(20.0, 50.0, 10.0, slope_x=0.3, slope_y=-0.2)
    recovered = surface.left_column(X - surface.disparity(X, Y), Y)
    torch.testing.assert_close(recovered, X.expand(50, -1), atol=1e-4, rtol=0)  # measured 3e-5 px


def test_bump_stands_out_by_its_height() -> None:
    surface = Surface(10.0, 100.0, 25.0, height=4.0, radius_x=30.0, radius_y=20.0)
    disparity = surface.disparity(X, Y)
    assert disparity[25, 100] == 14.0
    assert disparity[25, 140] == 10.0

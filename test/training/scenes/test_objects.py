"""Single things: their outlines, and how their disparity runs."""

from __future__ import annotations

import math

import pytest
import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.frame import Frame
from ffstereo_ros.training.scenes.objects import draw_rosette
from ffstereo_ros.training.scenes.shapes import Blade

LEVEL = 60.0  # px


def test_a_blade_tapers_from_its_foot_to_nothing() -> None:
    blade = Blade(half_length=20, width=8)
    v = torch.linspace(-6, 6, 1201).view(-1, 1)
    u = torch.tensor([[-19.99, 0.0, 19.99]])
    inside = (blade.distance(u, v) < 0).sum(0) * 0.01
    assert inside.tolist() == pytest.approx([8.0, 6.0, 0.0], abs=0.05)
    assert bool((blade.distance(torch.tensor([[-20.5, 20.5]]), v) > 0).all())


def test_leaves_of_a_rosette_begin_at_one_foot_and_come_nearer_or_recede() -> None:
    frame = Frame(320, 640, far=20.0, near=100.0, plainness=0.0, focal=400.0)
    feet, changes = set(), []
    for seed in range(20):
        for leaf in draw_rosette(Draw(seed), frame, LEVEL):
            assert isinstance(leaf.shape, Blade)
            half = leaf.shape.half_length
            step = (half * math.cos(leaf.angle), half * math.sin(leaf.angle))
            ends = [
                (leaf.centre_x + sign * step[0], leaf.centre_y + sign * step[1]) for sign in (-1, 1)
            ]  # foot and tip
            foot, tip = (float(leaf.surface.disparity(torch.tensor([[x]]), torch.tensor([[y]]))) for x, y in ends)
            assert foot == pytest.approx(LEVEL, abs=1e-3)
            changes.append((tip - foot) / LEVEL)
            feet.add((seed, round(ends[0][0], 2), round(ends[0][1], 2)))
    assert len(feet) == 20
    assert min(changes) < -0.25
    assert max(changes) > 0.25
    assert max(map(abs, changes)) <= 0.4 + 1e-6

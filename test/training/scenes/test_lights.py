"""Lamps, projectors and the sky: where light comes from decides what each camera sees of it."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
import torch

from ffstereo_ros.training.scenes.camera import CameraEffects
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.dressing import draw_material
from ffstereo_ros.training.scenes.frame import Frame, draw_frame
from ffstereo_ros.training.scenes.layer import Layer
from ffstereo_ros.training.scenes.layouts import road
from ffstereo_ros.training.scenes.material import Material, Spot, TextureMap
from ffstereo_ros.training.scenes.render import Views, occluded, render
from ffstereo_ros.training.scenes.sampler import photographed
from ffstereo_ros.training.scenes.scene import Dots, Scene, Shooting
from ffstereo_ros.training.scenes.shapes import Box, Ellipse
from ffstereo_ros.training.scenes.surface import Surface

HEIGHT, WIDTH = 80, 240
PLAIN = TextureMap(3, 1.0, 0.0, 0.0, 0.0)
PERFECT = CameraEffects((1.0, 1.0, 1.0), 1.0, 0.0, 0.0, 0.0, 0.0, (0, 0), True, None)


def _paint(grey: float, *spots: Spot) -> Material:
    return Material(torch.full((3,), grey), torch.zeros(3, 3), PLAIN, spots=spots)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_highlight_has_its_share_of_the_disparity_and_shows_on_black(share: float) -> None:
    lamp = Spot(Ellipse(8, 8), 140, 40, strength=0.8, softness=1.0, share=share)
    views = render(Scene(HEIGHT, WIDTH, (Layer(Surface(40.0), _paint(0.0, lamp)),)))
    assert float(views.left.max()) == pytest.approx(0.8, abs=0.01)
    places = [float((view[0, 40] * torch.arange(WIDTH)).sum() / view[0, 40].sum()) for view in views[:2]]
    assert places[0] - places[1] == pytest.approx(40 * share, abs=0.01)


def test_a_shadow_lies_on_its_surface() -> None:
    shadow = Spot(Box(20, 20), 140, 40, strength=-0.5, softness=1.0)
    views = render(Scene(HEIGHT, WIDTH, (Layer(Surface(40.0), _paint(0.6, shadow)),)))
    assert float(views.left.min()) == pytest.approx(0.3, abs=0.01)
    assert torch.allclose(views.left[:, :, 40:], views.right[:, :, :-40], atol=1e-5)


def _with_dots(views: Views) -> tuple[torch.Tensor, torch.Tensor]:
    pattern = (Draw(1).rand(HEIGHT, WIDTH + 64) > 0.7).float()
    pair = photographed(views, Shooting((PERFECT, PERFECT), dots=Dots(pattern, 0.5)))
    return pair.left[0].float(), pair.right[0].float()


def test_no_dots_fall_where_something_nearer_shades_the_projector() -> None:
    wall = Layer(Surface(10.0), _paint(0.2))
    board = Layer(Surface(40.0), _paint(0.2), Box(30, 60), 150, 40)
    views = render(Scene(HEIGHT, WIDTH, (wall, board)))
    _, right = _with_dots(views)
    flipped = occluded(views.right_disparity.flip(-1), views.disparity.flip(-1)).flip(-1)
    beside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    beside[:, 145:165] = True  # right of the board, which ends at 140 there
    shaded = flipped & beside
    assert int(shaded.sum()) > 1000
    assert float(right[shaded].max()) < 60
    assert float((right[:, 180:] > 100).float().mean()) > 0.2


def test_dots_of_lit_surfaces_have_their_disparity() -> None:
    left, right = _with_dots(render(Scene(HEIGHT, WIDTH, (Layer(Surface(12.0), _paint(0.2)),))))
    assert torch.equal(left[:, 12:], right[:, :-12])


def test_sharpening_steepens_an_edge_and_leaves_a_flat_as_it_is() -> None:
    edge = torch.full((3, 32, 32), 0.3)
    edge[:, :, 16:] = 0.6
    soft = PERFECT.apply(edge)[0, 16].float()
    sharp = replace(PERFECT, sharpening=0.5).apply(edge)[0, 16].float()
    assert torch.equal(sharp[:8], soft[:8])
    assert float(sharp[15]) < float(soft[15]) - 5
    assert float(sharp[16]) > float(soft[16]) + 5


def test_a_quarter_of_the_surfaces_are_dark_and_their_textures_faint() -> None:
    frame = draw_frame(Draw(0), HEIGHT, WIDTH)
    materials = [draw_material(Draw(seed), frame) for seed in range(400)]
    dark = [each for each in materials if float(each.base.max()) < 0.13]
    assert 0.05 < len(dark) / len(materials) < 0.25
    contrasts = [[float(each.matrix.abs().max()) for each in group] for group in (dark, materials)]
    assert statistics.mean(contrasts[0]) < 0.4 * statistics.mean(contrasts[1])


def test_most_roads_end_in_the_sky() -> None:
    frame = Frame(160, 320, far=20.0, near=80.0, plainness=0.3, focal=300.0)
    levels = [road(Draw(seed), frame)[0].surface.level for seed in range(100)]
    assert all(0 < level <= 2.0 for level in levels)
    assert 0.6 < sum(level <= 0.5 for level in levels) / 100 < 0.9

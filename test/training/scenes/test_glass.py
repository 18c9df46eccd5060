"""What is seen in a mirror or through glass lies behind the surface, whose own disparity is the truth."""

from __future__ import annotations

import math

import pytest
import torch

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.scenes.frame import Frame
from ffstereo_ros.training.scenes.layer import Layer
from ffstereo_ros.training.scenes.material import Material, TextureMap
from ffstereo_ros.training.scenes.render import Views, render
from ffstereo_ros.training.scenes.scene import Scene
from ffstereo_ros.training.scenes.shapes import Box
from ffstereo_ros.training.scenes.surface import Surface
from ffstereo_ros.training.scenes.vehicles import draw_car

HEIGHT, WIDTH = 60, 240
GLASS = 20.0  # px


def _mirror(share: float, angle: float) -> Views:
    """A perfect mirror that fills the image."""
    texture, image = TextureMap(3, 1.0, 0.0, 0.0, 0.0), TextureMap(5, 2.0, 0.0, 0.0, 0.0)
    material = Material(
        torch.full((3,), 0.5), torch.zeros(3, 3), texture, mirror=image, reflection=1.0, mirror_share=share
    )
    outline = Box(WIDTH, WIDTH)
    return render(Scene(HEIGHT, WIDTH, (Layer(Surface(GLASS), material, outline, WIDTH / 2, HEIGHT / 2, angle),)))


@pytest.mark.parametrize("angle", [0.0, 1.0, math.pi / 2])
@pytest.mark.parametrize("share", [0.2, 0.65, 1.0])
def test_a_mirror_image_has_its_share_of_the_disparity(share: float, angle: float) -> None:
    views = _mirror(share, angle)
    assert bool((views.disparity == GLASS).all())
    off = {}
    for shift in range(30):
        seen, there = views.left[:, :, 30:], views.right[:, :, 30 - shift : WIDTH - shift]
        off[shift] = float((seen - there).abs().mean())
    assert min(off, key=lambda shift: off[shift]) == round(share * GLASS)
    assert min(off.values()) < 1e-4


def test_windows_of_a_car_stand_side_by_side_before_its_cabin() -> None:
    frame = Frame(240, 480, far=2.0, near=60.0, plainness=0.0, focal=400.0)
    counts, mirrors = set(), []
    for seed in range(40):
        layers = draw_car(Draw(seed), frame, Surface(30.0, 240, 200), 240.0, 200.0, 60.0)
        cabin = layers[0]
        body = next(i for i, layer in enumerate(layers[1:], 1) if layer.material is cabin.material)
        panes = layers[1:body]
        counts.add(len(panes))
        mirrors += [pane.material for pane in panes if pane.material.mirror is not None]
        assert isinstance(cabin.shape, Box)
        end = cabin.centre_x - cabin.shape.half_u
        for pane in panes:
            assert isinstance(pane.shape, Box)
            assert pane.centre_x - pane.shape.half_u > end
            end = pane.centre_x + pane.shape.half_u
            assert pane.surface.level > cabin.surface.level
            assert pane.material.base is panes[0].material.base
        assert end < cabin.centre_x + cabin.shape.half_u
    assert counts == {1, 2, 3}
    assert mirrors
    assert all(0 < material.mirror_share < 1 for material in mirrors)

"""The painting kernel's source, run on the CPU, against the painter in PyTorch."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from types import NoneType

import pytest
import torch
from emulator import emulate
from torch import Tensor

from ffstereo_ros.kernels import launch
from ffstereo_ros.training import generated
from ffstereo_ros.training.crop_sequence import CropSequence
from ffstereo_ros.training.generated import DrawnBatches, GeneratedBatches, SceneSequence, painted, twice
from ffstereo_ros.training.scene_painting import op
from ffstereo_ros.training.scene_painting.banks import Banks, make_banks
from ffstereo_ros.training.scene_painting.table import SIZES, pack
from ffstereo_ros.training.scenes.material import Material, TextureMap
from ffstereo_ros.training.scenes.render import Views, render
from ffstereo_ros.training.scenes.scene import Scene, Shooting, VerticalError, draw_scene
from ffstereo_ros.training.scenes.shapes import Box, Shape, Silhouette
from ffstereo_ros.training.scenes.surface import Surface
from ffstereo_ros.training.settings import CropPlan

BANK = 4  # tiles and silhouettes: of the whole bank, half a gigabyte would be copied for each launch
HEIGHT, WIDTH = 40, 150  # two blocks of threads
SEEDS = range(32)
# Float16 texels, and coordinates of some hundred px in float32. Worst measured on 64 scenes of 64x200: 5e-4 and 1.2e-5.
COLOUR, DISPARITY = 1e-3, 1e-4
# Share of pixels where rounding may decide which of two layers is in front. Measured: none.
UNDECIDED = 0.001


@pytest.fixture(scope="module")
def banks() -> Banks:
    return make_banks(BANK, BANK)


def _few(scene: Scene) -> Scene:
    """The scene with the bank's first tiles and silhouettes alone."""

    def texture(used: TextureMap | None) -> TextureMap | None:
        return used and replace(used, index=used.index % BANK)

    def material(used: Material) -> Material:
        tile = replace(used.texture, index=used.texture.index % BANK)
        return replace(used, texture=tile, detail=texture(used.detail), mirror=texture(used.mirror))

    def shape(used: Shape | None) -> Shape | None:
        return replace(used, index=used.index % BANK) if isinstance(used, Silhouette) else used

    layers = (replace(layer, material=material(layer.material), shape=shape(layer.shape)) for layer in scene.layers)
    return replace(scene, layers=tuple(layers))


def _as_tensor(views: Views) -> Tensor:
    """[2, 4, H, W], as the kernel has it."""
    left, right = torch.cat((views.left, views.disparity[None])), torch.cat((views.right, views.right_disparity[None]))
    return torch.stack((left, right))


def share_of_wrong_pixels(painted: Tensor, scene: Scene) -> float:
    """Of what the kernel painted, [2, 4, H, W], beside what the painter paints."""
    off = (painted - _as_tensor(render(scene))).abs()
    wrong = ~((off[:, :3].amax(dim=1) <= COLOUR) & (off[:, 3] <= DISPARITY))  # NaN is wrong
    return float(wrong.float().mean())


def _compare(scenes: list[Scene], banks: Banks) -> None:
    for scene, result in zip(scenes, emulate(op.prepare(pack(scenes), banks))):
        assert share_of_wrong_pixels(result, scene) <= UNDECIDED


def _scenes(seeds: range) -> list[Scene]:
    return [_few(draw_scene(seed, HEIGHT, WIDTH, 56.0)[0]) for seed in seeds]


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, 8))
def test_paints_what_the_painter_paints(first: int, banks: Banks) -> None:
    """Scenes of all layouts, eight in one launch."""
    _compare(_scenes(range(first, first + 8)), banks)


def test_those_scenes_have_all_that_scenes_can_have() -> None:
    scenes = _scenes(SEEDS)
    layers = [layer for scene in scenes for layer in scene.layers]
    assert {type(layer.shape) for layer in layers} == {*SIZES, NoneType}
    assert {layer.projection for layer in layers} == {"facing", "ground", "side"}
    for relief in ("wave", "height"):
        assert {bool(getattr(layer.surface, relief)) for layer in layers} == {True, False}
    materials = [layer.material for layer in layers]
    assert {spot.share != 1 for material in materials for spot in material.spots} == {True, False}
    assert {len(material.spots) for material in materials} >= {0, 1, 2}
    for part in ("detail", "mirror"):
        assert {getattr(material, part) is None for material in materials} == {True, False}
    assert {scene.error == VerticalError() for scene in scenes} == {True, False}


def test_a_thing_that_is_in_one_view_alone(banks: Banks) -> None:
    """Its window in the other is empty."""
    behind, before = _scenes(range(2))[0].layers[0], _scenes(range(2))[1].layers[1]
    near = replace(before, surface=Surface(60.0), shape=Box(8.0, 8.0), centre_x=30.0, centre_y=20.0)
    assert near.window("left", HEIGHT, WIDTH) is not None
    assert near.window("right", HEIGHT, WIDTH) is None
    _compare([Scene(HEIGHT, WIDTH, (behind, near))], banks)


def test_batches_come_out_as_from_the_cpu(banks: Banks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn by one process, painted by the kernel, photographed, and used twice.

    Without compression: a coefficient that rounds the other way would move a whole block by a step of it.
    """
    monkeypatch.setattr(generated, "draw_scene", lambda *args, **options: _few_of(draw_scene(*args, **options)))
    monkeypatch.setattr(generated, "all_banks", lambda device: banks)
    monkeypatch.setattr(launch, "run", emulate)
    crops = CropSequence(0, (CropPlan(32, 64, 2, 64, 0.5), CropPlan(32, 96, 1, 64, 0.5)))
    scenes = SceneSequence(5, crops, enlarged=0.5)
    drawn = DrawnBatches(scenes, first=0)
    batches = islice(twice(painted(batch, torch.device("cpu")) for batch in drawn), 20)
    for mine, cpu in zip(batches, GeneratedBatches(scenes, first=0)):
        assert mine.left.shape == cpu.left.shape
        assert mine.max_disparity == cpu.max_disparity
        assert float((mine.truth - cpu.truth).abs().max()) < DISPARITY
        for image, expected in ((mine.left, cpu.left), (mine.right, cpu.right)):
            off = (image.int() - expected.int()).abs()
            assert float((off > 1).float().mean()) < 0.001
            assert float(off.float().mean()) < 0.01


def test_a_worker_draws_the_same() -> None:
    scenes = SceneSequence(5, CropSequence(0, (CropPlan(32, 64, 2, 64, 1.0),)), enlarged=0.5)
    batches = DrawnBatches(scenes, first=0)
    here, there = next(iter(batches)), next(iter(generated.loader(batches, workers=1)))
    assert torch.equal(here.table.layers, there.table.layers)
    assert torch.equal(here.table.first, there.table.first)
    mine, theirs = ([shooting.cameras for shooting in batch.shootings if shooting] for batch in (here, there))
    assert mine == theirs != []


def _few_of(drawn: tuple[Scene, Shooting | None]) -> tuple[Scene, Shooting | None]:
    scene, shooting = drawn
    if shooting is not None:
        left, right = (replace(camera, quality=None) for camera in shooting.cameras)
        shooting = replace(shooting, cameras=(left, right))
    return _few(scene), shooting

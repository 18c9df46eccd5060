"""A run's processes cut batch n to one size, from scenes of their own: else each waits for the other's large ones."""

from __future__ import annotations

from itertools import islice

import torch

from ffstereo_ros.training.crop_sequence import CropSequence
from ffstereo_ros.training.generated import Batch, GeneratedBatches, SceneSequence
from ffstereo_ros.training.settings import CropPlan

_CROPS = (CropPlan(32, 64, 1, 64, 0.5), CropPlan(64, 96, 1, 96, 0.5))


def _batches(run: int, process: int, count: int = 20) -> list[Batch]:
    scenes = SceneSequence(2 * run + process, CropSequence(run, _CROPS), enlarged=0.0)
    return list(islice(GeneratedBatches(scenes, first=0), count))


def _sizes(batches: list[Batch]) -> list[tuple[int, ...]]:
    return [(*batch.left.shape, batch.max_disparity) for batch in batches]


def test_all_processes_of_a_run_take_the_same_crop_at_every_step() -> None:
    first, second = _batches(3, 0), _batches(3, 1)
    assert _sizes(first) == _sizes(second)
    assert set(_sizes(first)) == {(1, 3, 32, 64, 64), (1, 3, 64, 96, 96)}
    assert not any(torch.equal(mine.left, yours.left) for mine, yours in zip(first, second))


def test_each_run_has_an_order_of_its_own() -> None:
    assert _sizes(_batches(3, 0)) != _sizes(_batches(4, 0))


def test_crops_come_as_often_as_their_weight_says() -> None:
    crops = CropSequence(0, (CropPlan(32, 64, 1, 64, 0.2), CropPlan(64, 96, 1, 96, 0.8)))
    drawn = [crops.plan(number).height for number in range(1000)]
    assert 0.15 < drawn.count(32) / len(drawn) < 0.25

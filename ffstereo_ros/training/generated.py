"""Batches of generated scenes, numbered: batch n of a seed is the same on any machine, so a run can be resumed."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.training.crop_sequence import CropSequence, batch_seed
from ffstereo_ros.training.interruption import ignore_interrupts
from ffstereo_ros.training.scene_painting.banks import all_banks
from ffstereo_ros.training.scene_painting.op import paint
from ffstereo_ros.training.scene_painting.table import SceneTable, pack
from ffstereo_ros.training.scenes.render import render
from ffstereo_ros.training.scenes.sampler import ScenePair, photographed
from ffstereo_ros.training.scenes.scene import Scene, Shooting, draw_scene

HELD_OUT_SEED = 1 << 40  # seeds from here on are never trained on
_MARGIN = 8.0  # px between the nearest thing and the end of the volume
_DELAY = 8  # batches between a scene and its mirror image
_T = TypeVar("_T")
_LOG = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Images uint8 [B, 3, H, W] RGB, truth float32 [B, 1, H, W] px of the left image, NaN = unknown.

    ``max_disparity``: the depth of the volume to match them with, px.
    """

    left: Tensor
    right: Tensor
    truth: Tensor
    max_disparity: int


class PaintedBatch(NamedTuple):
    """Pairs of one size, and the depth of the volume to match them with, px."""

    pairs: list[ScenePair]
    max_disparity: int


class DrawnBatch(NamedTuple):
    """As `PaintedBatch`, before anything is painted: what a GPU paints, and how each scene is photographed."""

    table: SceneTable
    shootings: list[Shooting | None]
    max_disparity: int


def collate(pairs: list[ScenePair], max_disparity: int) -> Batch:
    """Pairs of one size as a batch."""
    return Batch(
        torch.stack([pair.left for pair in pairs]),
        torch.stack([pair.right for pair in pairs]),
        torch.stack([pair.disparity[None] for pair in pairs]),
        max_disparity,
    )


@dataclass(frozen=True)
class SceneSequence:
    """The scenes of a run, by the number of their batch."""

    seed: int
    crops: CropSequence
    enlarged: float

    def draw(self, number: int) -> tuple[list[tuple[Scene, Shooting | None]], int]:
        """The scenes of batch ``number``, and the depth of volume they need, px."""
        start = batch_seed(self.seed, number) + 1
        plan = self.crops.plan(number)
        limit = plan.max_disparity - _MARGIN
        seeds = range(start, start + plan.batch)
        scenes = [draw_scene(seed, plan.height, plan.width, limit, enlarged=self.enlarged) for seed in seeds]
        return scenes, plan.max_disparity


class GeneratedBatches(IterableDataset[Batch]):
    """An endless stream of finished batches from batch ``first`` on; several workers take turns."""

    def __init__(self, scenes: SceneSequence, first: int) -> None:
        self._scenes, self._first = scenes, first

    def __iter__(self) -> Iterator[Batch]:
        drawn = (self._scenes.draw(number) for number in batch_numbers(self._first // 2))
        yield from twice(
            PaintedBatch([photographed(render(scene), shooting) for scene, shooting in scenes], depth)
            for scenes, depth in drawn
        )


class DrawnBatches(IterableDataset[DrawnBatch]):
    """As `GeneratedBatches`, for a GPU to paint, each batch once."""

    def __init__(self, scenes: SceneSequence, first: int) -> None:
        self._scenes, self._first = scenes, first

    def __iter__(self) -> Iterator[DrawnBatch]:
        for number in batch_numbers(self._first // 2):
            scenes, depth = self._scenes.draw(number)
            yield DrawnBatch(pack([scene for scene, _ in scenes]), [shooting for _, shooting in scenes], depth)


def batch_numbers(first: int) -> Iterator[int]:
    """The numbers from ``first`` on that fall to this worker; all of them where there are no workers."""
    worker = get_worker_info()
    place, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
    if worker is not None:
        torch.set_num_threads(1)  # the cores are for those who train
    return itertools.count(first + place, count)


def twice(batches: Iterable[PaintedBatch]) -> Iterator[Batch]:
    """Every batch, and ``_DELAY`` batches later that of its pairs mirrored, with the views swapped.

    Both views come with their own truth, so this is new data for the price of a flip.
    """
    waiting: list[Batch] = []
    for pairs, depth in batches:
        yield collate(pairs, depth)
        waiting.append(collate([pair.mirrored() for pair in pairs], depth))
        if len(waiting) >= _DELAY:
            yield waiting.pop(0)


def generated_batches(scenes: SceneSequence, first: int, workers: int, device: torch.device) -> Iterable[Batch]:
    """Batches from number ``first`` on, made by ``workers`` processes (0: by this one).

    They also paint them, unless ``device`` is a GPU that runs our kernel: then they only draw the numbers.
    """
    if device.type == "cuda" and _can_paint(scenes, device):
        return twice(painted(drawn, device) for drawn in loader(DrawnBatches(scenes, first), workers))
    return loader(GeneratedBatches(scenes, first), workers)


def painted(drawn: DrawnBatch, device: torch.device) -> PaintedBatch:
    """A drawn batch, painted and photographed on a GPU.

    Raises:
        BackendError: the GPU cannot run the kernel or has too little memory.
    """
    views = paint(drawn.table, all_banks(device))
    pairs = [photographed(view, shooting) for view, shooting in zip(views, drawn.shootings)]
    return PaintedBatch(pairs, drawn.max_disparity)


def _can_paint(scenes: SceneSequence, device: torch.device) -> bool:
    """Whether the GPU runs the kernel, which compiles it; else the reason is logged."""
    try:
        painted(next(iter(DrawnBatches(scenes, 0))), device)
    except FFStereoError as error:
        _LOG.warning("scenes are painted by CPU workers: %s", error)
        return False
    return True


def loader(data: IterableDataset[_T], workers: int) -> DataLoader[_T]:
    """The stream of ``data``, made by ``workers`` processes (0: by this one)."""
    context = "spawn" if workers else None
    return DataLoader(
        data,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=12 if workers else None,
        worker_init_fn=ignore_interrupts,
        multiprocessing_context=context,
    )

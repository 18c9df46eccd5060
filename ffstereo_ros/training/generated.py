"""Batches of generated scenes, numbered: batch n of a seed is the same on any machine, so a run can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ffstereo_ros.training.crop_sequence import CropSequence
from ffstereo_ros.training.scenes.sampler import ScenePair, sample_pair
from ffstereo_ros.training.settings import MAX_BATCH

HELD_OUT_SEED = 1 << 40  # seeds from here on are never trained on
_MARGIN = 8.0  # px between the nearest thing and the end of the volume
_SCENES_PER_BATCH = MAX_BATCH + 1  # seeds set aside for each batch: one for each scene, the first unused


class Batch(NamedTuple):
    """Images uint8 [B, 3, H, W] RGB, truth float32 [B, 1, H, W] px of the left image, NaN = unknown.

    ``max_disparity``: the depth of the volume to match them with, px.
    """

    left: Tensor
    right: Tensor
    truth: Tensor
    max_disparity: int


def collate(pairs: list[ScenePair], max_disparity: int) -> Batch:
    """Pairs of one size as a batch."""
    return Batch(
        torch.stack([pair.left for pair in pairs]),
        torch.stack([pair.right for pair in pairs]),
        torch.stack([pair.disparity[None] for pair in pairs]),
        max_disparity,
    )


class GeneratedBatches(IterableDataset[Batch]):
    """An endless stream from batch ``first`` on; several workers take turns.

    A scene is rendered once and used twice: the batch of its pairs mirrored, with the views swapped, follows ``_DELAY``
    batches later. Both views come with their own truth, so this is new data for the price of a flip.
    """

    _DELAY = 8

    def __init__(self, seed: int, crops: CropSequence, first: int, enlarged: float) -> None:
        self._seed, self._crops, self._first, self._enlarged = seed, crops, first, enlarged

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        place, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        waiting: list[Batch] = []
        number = self._first // 2 + place
        while True:
            pairs, depth = _draw_pairs(number, self._seed, self._crops, self._enlarged)
            yield collate(pairs, depth)
            waiting.append(collate([pair.mirrored() for pair in pairs], depth))
            if len(waiting) >= self._DELAY:
                yield waiting.pop(0)
            number += count


def _draw_pairs(number: int, seed: int, crops: CropSequence, enlarged: float) -> tuple[list[ScenePair], int]:
    """The pairs of scene batch ``number``, and the depth of volume they need, px."""
    start = (seed * 1_000_003 + number) * _SCENES_PER_BATCH
    plan = crops.plan(number)
    limit = plan.max_disparity - _MARGIN
    pairs = [
        sample_pair(start + 1 + index, plan.height, plan.width, limit, enlarged=enlarged) for index in range(plan.batch)
    ]
    return pairs, plan.max_disparity


def generated_loader(seed: int, crops: CropSequence, first: int, workers: int, enlarged: float) -> DataLoader[Batch]:
    """Batches from number ``first`` on, made by ``workers`` processes (0: by this one)."""
    data = GeneratedBatches(seed, crops, first, enlarged)
    context = "spawn" if workers else None
    return DataLoader(
        data,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=12 if workers else None,
        multiprocessing_context=context,
    )

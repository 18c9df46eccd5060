"""Batches cut from a user's own pairs with disparity, for fine-tuning."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.layouts import find_scenes
from ffstereo_ros.evaluation.scenes import Scene, SceneData
from ffstereo_ros.training.crop_sequence import CropSequence, batch_seed
from ffstereo_ros.training.generated import Batch, batch_numbers
from ffstereo_ros.training.interruption import ignore_interrupts
from ffstereo_ros.training.scenes.camera import draw_cameras
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.settings import CropPlan

_MANY = 50  # pairs, from which on reading them is shown


def _pairs_with_truth(folder: Path) -> list[Scene]:
    scenes = [scene for scene in find_scenes(folder) if scene.truth is not None]
    if not scenes:
        raise InputFileError(f"{folder}: no pair with a disparity found; see the README for the folder layouts")
    return scenes


def check_pairs(folder: Path, many: int = _MANY) -> None:
    """Reads every pair once before a run, which would come to a damaged one hours later.

    Raises:
        InputFileError: the folder holds no pair with a disparity, a damaged one, or none with a known pixel.
    """
    scenes = _pairs_with_truth(folder)
    known = 0
    bar = tqdm(scenes, "reading each pair once", unit="pair", file=sys.stderr, disable=len(scenes) < many)
    for scene in bar:
        truth = scene.load().truth
        assert truth is not None
        known += int((np.isfinite(truth) & (truth >= 0)).sum())
    if not known:
        raise InputFileError(
            f"{folder}: no pixel of its {len(scenes)} pair(s) has a known disparity, there is nothing to learn from: "
            "known is 0 px or more (in disp.png, 0 means unknown); export the disparities again"
        )


class FolderBatches(IterableDataset[Batch]):
    """Random crops of the pairs in ``folder`` (any layout ``ffstereo evaluate`` reads), each under new camera faults.

    Raises:
        InputFileError: no pair there has a disparity.
    """

    def __init__(self, folder: Path, seed: int, crops: CropSequence, first: int = 0) -> None:
        self._scenes = _pairs_with_truth(folder)
        self._seed, self._crops, self._first = seed, crops, first

    def __iter__(self) -> Iterator[Batch]:
        for number in batch_numbers(self._first):
            draw = Draw(batch_seed(self._seed, number) + 1)
            plan = self._crops.plan(number)
            parts = [cut_pair(draw, draw.choice(self._scenes).load(), plan) for _ in range(plan.batch)]
            left, right, truth = (torch.stack(tensors) for tensors in zip(*parts))
            yield Batch(left, right, truth, plan.max_disparity)


def cut_pair(draw: Draw, data: SceneData, plan: CropPlan) -> tuple[Tensor, Tensor, Tensor]:
    """One crop: left and right uint8 [3, h, w], truth [1, h, w]; padded where the image is smaller.

    Padding repeats the border of the images; the truth there is unknown.
    """
    assert data.truth is not None
    images = [_tensor(image) / 255 for image in (data.left, data.right)]
    truth = torch.from_numpy(np.ascontiguousarray(data.truth))[None]
    height, width = max(plan.height, truth.shape[1]), max(plan.width, truth.shape[2])
    pad = (0, width - truth.shape[2], 0, height - truth.shape[1])
    images = [torch.nn.functional.pad(image[None], pad, mode="replicate")[0] for image in images]
    truth = torch.nn.functional.pad(truth, pad, value=float("nan"))
    top, left = draw.integer(0, height - plan.height + 1), draw.integer(0, width - plan.width + 1)
    window = (slice(None), slice(top, top + plan.height), slice(left, left + plan.width))
    cameras = draw_cameras(draw)
    views = [camera.apply(image[window]) for camera, image in zip(cameras, images)]
    return views[0], views[1], truth[window].clone()


def _tensor(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float()


def folder_loader(folder: Path, seed: int, crops: CropSequence, first: int, workers: int) -> DataLoader[Batch]:
    """Batches from number ``first`` on, made by ``workers`` processes (0: by this one)."""
    return DataLoader(
        FolderBatches(folder, seed, crops, first),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=ignore_interrupts,
    )

"""How good the averaged weights are, on held-out generated scenes and on real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ffstereo_ros.core.frame import prepare_pair, restore_disparity
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.layouts import find_scenes
from ffstereo_ros.evaluation.metrics import count_disparity, mean_figures
from ffstereo_ros.network.model import SIZE_MULTIPLE, FastFoundationStereo
from ffstereo_ros.training.generated import HELD_OUT_SEED
from ffstereo_ros.training.scenes.sampler import sample_pair

Figures = dict[str, float]


@dataclass(frozen=True)
class Example:
    """Images uint8 [H, W, 3], truth float32 [H, W] px with NaN = unknown, ``group`` for the means."""

    name: str
    group: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    truth: NDArray[np.float32]


def held_out_examples(count: int, height: int = 256, width: int = 512) -> Iterator[Example]:
    """Generated scenes that no run trains on."""
    for index in range(count):
        pair = sample_pair(HELD_OUT_SEED + index, height, width)
        left, right = (image.permute(1, 2, 0).contiguous().numpy() for image in (pair.left, pair.right))
        yield Example(f"generated_{index:03d}", "generated", left, right, pair.disparity.numpy())


def folder_examples(folder: Path) -> Iterator[Example]:
    """Every scene of a folder that has truth. Raises `InputFileError` where the folder holds none."""
    for scene in find_scenes(folder):
        data = scene.load()
        if data.truth is not None:
            yield Example(scene.name, scene.group, data.left, data.right, data.truth)


def check_examples(folder: Path) -> None:
    """Asked before a run, whose first evaluation is 20 minutes away.

    Raises:
        InputFileError: the folder holds no scene, none with truth, or a damaged one.
    """
    if not sum(1 for _ in folder_examples(folder)):  # all of them: one that is damaged would end the run, too
        raise InputFileError(f"{folder}: none of its scenes has truth to evaluate on")


@torch.no_grad()
def predict(
    model: FastFoundationStereo, left: NDArray[np.uint8], right: NDArray[np.uint8], iterations: int, max_disparity: int
) -> NDArray[np.float32]:
    """Disparity float32 [H, W] px of images uint8 [H, W, 3], never negative, unmasked, at the images' own size."""
    device = next(model.parameters()).device
    pair = prepare_pair(left, right, multiple=SIZE_MULTIPLE)
    tensors = [_as_tensor(image, device) for image in (pair.left, pair.right)]
    with autocast(device):
        output = model(tensors[0], tensors[1], iterations=iterations, max_disparity=max_disparity)
    disparity = output.disparity[0, 0].float().clamp_min(0).cpu().numpy()
    return restore_disparity(disparity, pair.geometry)


def autocast(device: torch.device) -> torch.autocast | nullcontext[None]:
    """bfloat16 where the hardware has it, which includes every CPU that trains in bearable time.

    PyTorch's own ``is_bf16_supported`` also counts GPUs below compute capability 8, which emulate it.
    """
    if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8:
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def validate(
    model: FastFoundationStereo, examples: Iterator[Example], iterations: int, max_disparity: int
) -> dict[str, Figures]:
    """Figures over all truth pixels (bad in %, EPE in px): the mean of each group, and under "all" of all scenes."""
    was_training = model.training
    model.eval()
    rows: dict[str, list[Figures]] = {}
    for example in examples:
        answer = predict(model, example.left, example.right, iterations, max_disparity)
        rows.setdefault(example.group, []).append(count_disparity(answer, example.truth).over_all())
    model.train(was_training)
    means = {group: mean_figures(figures) for group, figures in rows.items()}
    means["all"] = mean_figures([row for figures in rows.values() for row in figures])
    return means


def _as_tensor(image: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float()

"""How fast scenes are drawn, painted and photographed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import torch

from ffstereo_ros.backends.freed_memory import keep_freed_memory
from ffstereo_ros.training.scene_painting.banks import all_banks
from ffstereo_ros.training.scene_painting.op import paint
from ffstereo_ros.training.scene_painting.table import pack
from ffstereo_ros.training.scenes import silhouettes, textures
from ffstereo_ros.training.scenes.render import Views, render
from ffstereo_ros.training.scenes.sampler import photographed
from ffstereo_ros.training.scenes.scene import draw_scene

_WARM_UP = 2  # batches
STAGES = ("drawing", "painting", "photographing")

# What is done with drawn scenes before they are painted, and the painting.
_Painter = tuple[Callable[[Any], Any], Callable[[Any], Sequence[Views]]]


@dataclass(frozen=True)
class Stage:
    """Milliseconds a scene: the median over the batches, and the quartiles."""

    name: str
    low: float
    median: float
    high: float


def measure_scenes(device: torch.device, height: int, width: int, batch: int, batches: int) -> list[Stage]:
    """The stages from seeds to pairs: PyTorch on one core of a CPU, or our kernel and PyTorch on a GPU.

    With a GPU, drawing is what a worker does there on one core: the numbers and the table for the kernel.

    Raises:
        BackendError: the GPU cannot run the kernel.
    """
    torch.set_num_threads(1)
    prepare, paint_all = _gpu(device) if device.type == "cuda" else _cpu()
    rows = []
    for number in range(_WARM_UP + batches):
        moments = [_now(device)]
        drawn = [draw_scene(seed, height, width) for seed in range(number * batch, (number + 1) * batch)]
        prepared = prepare([scene for scene, _ in drawn])
        moments.append(_now(device))
        views = paint_all(prepared)
        moments.append(_now(device))
        for view, (_, shooting) in zip(views, drawn):
            photographed(view, shooting)
        moments.append(_now(device))
        rows.append([1e3 * (end - start) / batch for start, end in itertools.pairwise(moments)])
    return [Stage(name, *quantiles(times, n=4)) for name, times in zip(STAGES, zip(*rows[_WARM_UP:]))]


def _cpu() -> _Painter:
    keep_freed_memory()  # as training does
    for index in range(textures.BANK_SIZE):
        textures.texture_tile(index)
    for index in range(silhouettes.BANK_SIZE):
        silhouettes.silhouette(index)
    return list, lambda scenes: [render(scene) for scene in scenes]


def _gpu(device: torch.device) -> _Painter:
    banks = all_banks(device)
    return pack, lambda table: paint(table, banks)


def _now(device: torch.device) -> float:
    """Seconds, when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()

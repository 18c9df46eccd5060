"""How the correlation kernel cuts its work: tile sizes that fit the shared memory of the GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ffstereo_ros.errors import BackendError
from ffstereo_ros.kernels.launch import SharedMemory
from ffstereo_ros.kernels.tensors import VECTOR_BYTES, padded_channels

THREADS = 256


@dataclass(frozen=True)
class Problem:
    """What of one call decides its tiles; ``out_pitch``: channels of an output pixel in memory."""

    groups: int
    group_channels: int
    disparities: int
    normalize: bool
    out_pitch: int
    has_terms: bool
    dtype: torch.dtype


@dataclass(frozen=True)
class Tiles:
    """Columns (a multiple of 16) and disparities of one block, and how many groups it holds at a time."""

    columns: int
    disparities: int
    groups_at_once: int


def choose_tiles(problem: Problem, limits: SharedMemory) -> Tiles:
    """The largest tiles of which two blocks fit a multiprocessor, so that one loads while the other stores.

    Large tiles read the right features less often: the window of a tile is columns + disparities wide. Where no two
    blocks fit, the first of which one does.

    Raises:
        BackendError: the channels of one group are too many for any tile.
    """
    candidates = [
        Tiles(columns, _depth(problem.disparities, most), groups)
        for columns, most in ((32, 48), (16, 48), (32, 24), (16, 24), (16, 16), (16, 8))
        for groups in _group_counts(problem)
    ]
    for room in (limits.multiprocessor // 2 - 1024, limits.block):  # 1 KiB a block is the system's
        for tiles in candidates:
            if shared_bytes(problem, tiles) <= min(room, limits.block):
                return tiles
    raise BackendError(
        f"groups of {problem.group_channels} channels do not fit this GPU's {limits.block} bytes of shared memory: "
        "use device cpu"
    )


def _depth(disparities: int, most: int) -> int:
    """Disparities of a tile, a multiple of 8 up to ``most``, so that the tiles are filled evenly (104 -> 40 for 48)."""
    tiles = -(-disparities // most)
    return (-(-disparities // tiles) + 7) // 8 * 8


def _group_counts(problem: Problem) -> list[int]:
    """How many groups may be held at a time: whole vectors of them, and parts that are alike; all first."""
    per_vector, padded = VECTOR_BYTES // problem.dtype.itemsize, padded_channels(problem.groups, problem.dtype)
    return [count for count in range(padded, 0, -per_vector) if padded % count == 0]


def shared_bytes(problem: Problem, tiles: Tiles) -> int:
    """Shared memory of one block, as `Shared` in kernel.cu lays it out."""
    size = problem.dtype.itemsize
    group_words = ((problem.group_channels * size + 3) // 4 + 7) // 8 * 8
    row_bytes = 4 * (tiles.groups_at_once * group_words + 4)
    window = (tiles.disparities - 1 + 7) // 8 * 8 + tiles.columns
    band = tiles.disparities * tiles.columns * padded_channels(problem.groups, problem.dtype) * size
    terms = (tiles.columns + window) * problem.out_pitch * size if problem.has_terms else 0
    norms = 4 * (tiles.columns + window) * tiles.groups_at_once if problem.normalize else 0
    return (tiles.columns + window) * row_bytes + band + terms + norms

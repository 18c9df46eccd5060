"""The public operation: tables of scenes to views, and the launch of the kernel.

Its reference is `ffstereo_ros.training.scenes.render.render`, which paints one scene on any device.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels import launch
from ffstereo_ros.kernels.compile import KernelSource
from ffstereo_ros.kernels.launch import Launch, element_define
from ffstereo_ros.kernels.tensors import allocate
from ffstereo_ros.training.scene_painting.banks import Banks
from ffstereo_ros.training.scene_painting.table import FLOATS, SIDES, SPOTS, SceneTable
from ffstereo_ros.training.scenes.layer import FOCAL
from ffstereo_ros.training.scenes.material import MIP_LEVELS
from ffstereo_ros.training.scenes.render import Views
from ffstereo_ros.training.scenes.silhouettes import SILHOUETTE
from ffstereo_ros.training.scenes.textures import TILE

KERNEL = KernelSource(Path(__file__).with_name("kernel.cu"), "scene_painting")
THREADS = 128
_MOST = 65535  # blocks along y and z


def paint(table: SceneTable, banks: Banks) -> list[Views]:
    """The views of each scene of a table, on the GPU where the banks and, after this, the table are.

    Raises:
        ParameterError: more rows or scenes than a launch takes.
        BackendError: the GPU cannot run the kernel or has too little memory.
    """
    painted = launch.run(prepare(table.to(banks.tiles.device), banks))
    return [Views(left[:3], right[:3], left[3], right[3]) for left, right in painted]


def prepare(table: SceneTable, banks: Banks) -> Launch:
    """The launch for a table on the banks' device; its output is [S, 2, 4, H, W], RGB and disparity of both views."""
    scenes = len(table.errors)
    if max(table.height, 2 * scenes) > _MOST:
        raise ParameterError(f"{scenes} scenes of {table.height} rows: allowed are {_MOST // 2} scenes, {_MOST} rows")
    size = (scenes, 2, 4, table.height, table.width)
    output = allocate("the painted scenes", size, torch.float32, banks.tiles.device)
    return Launch(
        kernel=KERNEL,
        defines=(
            element_define(torch.float16),
            ("THREADS", THREADS),
            *(("TILE", TILE), ("BLURS", MIP_LEVELS - 1), ("OUTLINE", SILHOUETTE)),
            *(("SIDES", SIDES), ("SPOTS", SPOTS), ("FLOATS", FLOATS), ("FOCAL", FOCAL)),
        ),
        grid=(-(-table.width // THREADS), table.height, 2 * scenes),
        threads=THREADS,
        shared_bytes=0,
        tensors=(table.layers, table.first, table.errors, *banks, output),
        numbers=(table.height, table.width),
        output=output,
    )

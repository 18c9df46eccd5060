"""What generated scenes are covered and cut out with, in a GPU's memory."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.training.scenes.material import mip_volume
from ffstereo_ros.training.scenes.silhouettes import BANK_SIZE as SILHOUETTES
from ffstereo_ros.training.scenes.silhouettes import silhouette
from ffstereo_ros.training.scenes.textures import BANK_SIZE as TILES
from ffstereo_ros.training.scenes.textures import texture_tile


class Banks(NamedTuple):
    """Tiles float16 [T, 257, 257, 4] (RGB and nothing), their blurred copies [T, 4, 257, 257, 4], and outlines.

    Silhouettes float32 [N, 256, 256]: signed distances in texels. All of them take 530 MB.
    """

    tiles: Tensor
    blurred: Tensor
    silhouettes: Tensor


@lru_cache(maxsize=1)
def all_banks(device: torch.device) -> Banks:
    """All tiles and silhouettes there are, on a GPU; takes a while."""
    return make_banks(TILES, SILHOUETTES, device)


def make_banks(tiles: int, silhouettes: int, device: torch.device | str = "cpu") -> Banks:
    """The first of them."""
    outlines = torch.stack([silhouette(index) for index in range(silhouettes)])
    plain = torch.stack([_texels(texture_tile(index)) for index in range(tiles)])
    blurred = torch.stack([_texels(mip_volume(index)[:, 1:]) for index in range(tiles)])
    return Banks(plain.to(device), blurred.to(device), outlines.to(device))


def _texels(tile: Tensor) -> Tensor:
    """Colours [3, ...] as float16 [..., 4]."""
    return F.pad(tile.movedim(0, -1), (0, 1)).half()

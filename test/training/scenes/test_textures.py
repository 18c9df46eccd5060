"""Tiles and silhouettes: seamless, in range, and the same whenever they are made."""

from __future__ import annotations

import pytest
import torch

from ffstereo_ros.training.scenes import silhouettes, textures


@pytest.mark.parametrize("index", range(0, 30, 3))
def test_tile_wraps(index: int) -> None:
    tile = textures.texture_tile(index)
    assert tile.shape == (3, textures.TILE + 1, textures.TILE + 1)
    assert tile.min() >= 0
    assert tile.max() <= 1
    assert torch.equal(tile[:, 0], tile[:, -1])
    assert torch.equal(tile[:, :, 0], tile[:, :, -1])


def test_tile_is_its_number() -> None:
    first = textures.texture_tile(4).clone()
    textures.texture_tile.cache_clear()
    assert torch.equal(first, textures.texture_tile(4))


@pytest.mark.parametrize("index", range(8))
def test_silhouette_has_inside_and_outside(index: int) -> None:
    inside = (silhouettes.silhouette(index) < 0).float().mean()
    assert 0.002 < inside < 0.8

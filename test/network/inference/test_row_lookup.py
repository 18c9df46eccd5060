"""The lookup on rows gives what the pyramid and the convolution behind it give, wherever the disparity points."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ffstereo_ros.network.config import LookupConfig
from ffstereo_ros.network.cost_volume import all_pairs_correlation
from ffstereo_ros.network.geometry_lookup import GeometryPyramid
from ffstereo_ros.network.inference.row_lookup import RowLookup, SampleProjection

BATCH, CHANNELS, DISPARITIES, HEIGHT, WIDTH = 2, 3, 13, 5, 11
PLACES = {
    "inside": lambda shape: torch.rand(shape) * (DISPARITIES - 1),
    "on whole entries": lambda shape: torch.randint(0, DISPARITIES, shape).float(),
    "around both ends": lambda shape: torch.randn(shape) * DISPARITIES,
    "far away": lambda shape: torch.randn(shape) * 1e6,
    "infinite": lambda shape: torch.full(shape, 1e30),
}


def both(config: LookupConfig, disparity: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Our answer and the plain one, for the same volume, features and convolution."""
    torch.manual_seed(4)
    volume = torch.randn(BATCH, CHANNELS, DISPARITIES, HEIGHT, WIDTH)
    left, right = torch.randn(2, BATCH, 6, HEIGHT, WIDTH).unbind(0)
    samples = config.levels * (CHANNELS + 1) * (2 * config.radius + 1)
    convolution = nn.Conv2d(samples, 7, 1)
    projection = SampleProjection(convolution.to(dtype), config)
    lookup = RowLookup(volume.to(dtype), left.to(dtype), right.to(dtype), projection, config)
    pyramid = GeometryPyramid(volume, all_pairs_correlation(left, right), config)
    with torch.inference_mode():
        return lookup(disparity), convolution.float()(pyramid(disparity)).relu()


@pytest.mark.parametrize("config", [LookupConfig(), LookupConfig(3, 2), LookupConfig(1, 1)], ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_same_as_pyramid_and_convolution(place: str, config: LookupConfig) -> None:
    """1e-5 allowed, worst measured 3.0e-7."""
    torch.manual_seed(2)
    ours, plain = both(config, PLACES[place]((BATCH, 1, HEIGHT, WIDTH)), torch.float32)
    assert ours.shape == plain.shape
    assert (ours - plain).abs().max() < 1e-5


def test_bfloat16_rounds_the_samples_and_nothing_more() -> None:
    """5e-3 on average allowed, measured 4e-4."""
    ours, plain = both(LookupConfig(), torch.rand(BATCH, 1, HEIGHT, WIDTH) * DISPARITIES, torch.bfloat16)
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - plain).abs().mean() < 5e-3


def test_an_unknown_disparity_touches_its_own_pixel_alone() -> None:
    disparity = torch.rand(BATCH, 1, HEIGHT, WIDTH) * DISPARITIES
    clean, _ = both(LookupConfig(), disparity, torch.float32)
    disparity[1, 0, 2, 3] = float("nan")
    ours, _ = both(LookupConfig(), disparity, torch.float32)
    assert torch.isnan(ours[1, :, 2, 3]).all()
    elsewhere = torch.isfinite(disparity).expand_as(ours)
    assert torch.equal(ours[elsewhere], clean[elsewhere])

"""The learning-rate cycle and the limits of the settings."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.training.settings import (
    CROPS,
    DEFAULT_CROPS,
    CropPlan,
    TrainSettings,
    learning_rate_factor,
    share,
    with_batch,
)


def test_cycle_rises_and_is_annealed_to_zero() -> None:
    factors = [learning_rate_factor(i / 200, 0.05) for i in range(201)]
    peak = factors.index(max(factors))
    assert peak == 10
    assert factors[peak] == pytest.approx(1.0)
    assert factors[-1] == 0
    assert all(a < b for a, b in pairwise(factors[: peak + 1]))
    assert all(a > b for a, b in pairwise(factors[peak:]))
    assert learning_rate_factor(1.2, 0.05) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"minutes": -1.0},
        {"learning_rate": 0.0},
        {"iterations": 0},
        {"processes": 0},
        {"workers": -1},
        {"enlarged": 1.5},
        {"frozen_norms": True},
        {"device": "foo"},
    ],
)
def test_settings_refuse(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=str(next(iter(wrong)).replace("_", " "))):
        TrainSettings(Path("out"), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("processes", "each"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_processes_share_a_batch(processes: int, each: int) -> None:
    assert [crop.batch for crop in share((CropPlan(64, 128, 4, 64, 1.0),), processes)] == [each]


def test_a_larger_batch_is_larger_for_every_crop() -> None:
    assert with_batch(DEFAULT_CROPS, 4) == DEFAULT_CROPS
    assert [crop.batch for crop in with_batch(DEFAULT_CROPS, 32)] == [8 * crop.batch for crop in DEFAULT_CROPS]
    assert all(crop.batch == 1 for crop in with_batch(DEFAULT_CROPS, 1))


@pytest.mark.parametrize("name", list(CROPS))
def test_crops_suit_the_network_and_hold_their_volume(name: str) -> None:
    for crop in CROPS[name]:
        assert crop.height % 32 == crop.width % 32 == crop.max_disparity % 32 == 0
        assert crop.max_disparity <= crop.width / 2


@pytest.mark.parametrize("batch", [0, 256])
def test_a_batch_that_cannot_be_is_refused(batch: int) -> None:
    with pytest.raises(ParameterError, match=f"batch is {batch} pairs: allowed is 1 to 255"):
        with_batch(DEFAULT_CROPS, batch)

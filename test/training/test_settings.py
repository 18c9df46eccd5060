"""The learning-rate cycle and the limits of the settings."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.training.crop_sequence import batch_seed
from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.settings import (
    CROPS,
    DEFAULT_CROPS,
    MAX_BATCH,
    CropPlan,
    TrainSettings,
    learning_rate_factor,
    name_and_batch,
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
        {"seed": 36_000_000_001},
        {"seed": -36_000_000_001},
        {"processes": 2, "device": "cuda:1"},
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


def test_the_largest_seed_is_told_and_works(tmp_path: Path) -> None:
    for processes in (1, 2, 7):
        with pytest.raises(ParameterError, match=r"seed is 99999999999: allowed is -(\d+) to \1 with") as told:
            TrainSettings(tmp_path, seed=99_999_999_999, processes=processes)
        largest = int(str(told.value).split(" to ")[1].split()[0])
        for seed in (largest, -largest):
            settings = TrainSettings(tmp_path, seed=seed, processes=processes)
            for rank in (0, processes - 1):
                Draw(batch_seed(settings.seed * processes + rank, 10**12) + MAX_BATCH)
        with pytest.raises(ParameterError, match="seed"):
            TrainSettings(tmp_path, seed=largest + 1, processes=processes)


@pytest.mark.parametrize(
    ("given", "limit"),
    [({}, 1000), ({"minutes": 5.0}, None), ({"minutes": 5.0, "steps": 7}, 7), ({"steps": 7}, 7)],
)
def test_steps_limit_a_run_unless_only_minutes_are_given(given: dict[str, float], limit: int | None) -> None:
    assert TrainSettings(Path("out"), **given).step_limit == limit  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "batch"), [("mixed", 4), ("large", 4), ("tiny", 4), ("mixed", 32), ("large", 9)])
def test_crops_are_known_by_name_and_batch(name: str, batch: int) -> None:
    crops = with_batch(CROPS[name], batch)
    found = name_and_batch(crops)
    assert found is not None
    assert found[0] == name
    assert with_batch(CROPS[name], found[1]) == crops
    assert name_and_batch((CropPlan(32, 32, 1, 32, 1.0),)) is None

"""What the kernels are measured by: the floors in bytes, the error against float64, and what is said without a GPU."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import pytest
import torch

from ffstereo_ros.cli import bench_kernels
from ffstereo_ros.errors import BackendError
from ffstereo_ros.kernels.measure import copy_speed, measure, released_cases

CPU = torch.device("cpu")

# Megabytes at 480x640, 48 disparities, float16, counted by hand from the shapes.
FLOORS = {
    "correlation": 31.9,
    "correlation, concatenated": 77.1,
    "correlation, convolved": 70.96,  # two terms of 28 channels, which become one volume of 28
    "lookup": 43.2,  # the correlation in float32
    "lookup, convolved": 25.3,
    "upsampling": 6.84,
    "volume terms": 120.4,
}


def host_timer(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


@pytest.fixture(scope="module")
def half() -> dict[str, int]:
    return {case.name: case.least_bytes for case in released_cases(120, 160, 48, torch.float16, torch.device("meta"))}


@pytest.mark.parametrize("name", FLOORS)
def test_the_floor_counts_every_byte_once(half: dict[str, int], name: str) -> None:
    assert half[name] / 1e6 == pytest.approx(FLOORS[name], rel=0.004)


def test_no_kernel_is_forgotten(half: dict[str, int]) -> None:
    assert set(half) == set(FLOORS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_case_is_timed_and_held_to_float64(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    rows = [measure(case, host_timer, 1e9) for case in released_cases(12, 20, 16, dtype, CPU)]
    for row in rows:
        assert 0 < row.error < (1e-5 if dtype == torch.float32 else 0.02), row.name
        assert row.kernel_us > 0
        assert row.share == pytest.approx(row.least_mb * 1000 / row.kernel_us)
    cells = bench_kernels.table([("48x80", row) for row in rows]).splitlines()
    assert len(cells) == 2 + len(rows)
    assert {line.count("|") for line in cells} == {len(bench_kernels._COLUMNS) + 1}
    written = json.loads(json.dumps(bench_kernels.as_dict([("48x80", rows[0])], {"gpu": "none"})))
    assert written["kernels"][0]["share"] == pytest.approx(rows[0].share)


def test_a_copy_reads_and_writes() -> None:
    assert copy_speed(CPU, lambda function: 0.5, size=1000) == 4000


def test_without_a_gpu_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    parser = argparse.ArgumentParser()
    bench_kernels.add_parser(parser.add_subparsers())
    with pytest.raises(BackendError, match="measured on an NVIDIA GPU: ") as caught:
        bench_kernels.run(parser.parse_args(["kernels"]))
    assert "\n" not in str(caught.value)

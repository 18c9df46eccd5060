"""The figures of `mini` and `sgbm` that the README and the card tell are those of docs/benchmarks/accuracy.json."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARD = ROOT / "ffstereo_ros" / "weights" / "mini.md"

# In the order of the README's columns and of the card's rows: a set and how its scenes' names begin.
SETS = {
    "Middlebury 2001/03": ("mb2001", "mb2003"),
    "Middlebury 2005/06": ("mb2005", "mb2006"),
    "Middlebury 2014 Q": ("mb2014",),
    "ETH3D": ("eth3d",),
    "KITTI 2015": ("kitti2015",),
}


def _measured(backend: str, figure: str) -> list[str]:
    """The mean of each set, %, as it is told."""
    scenes = json.loads((ROOT / "docs/benchmarks/accuracy.json").read_text())["runs"][backend]["scenes"]
    means = []
    for beginnings in SETS.values():
        values = [scene["all"][figure] for name, scene in scenes.items() if name.startswith(beginnings)]
        means.append(f"{sum(values) / len(values):.1f}")
    return means


def _cells(page: Path, beginning: str) -> list[str]:
    """The cells of the one row of seven that begins so."""
    lines = [line for line in page.read_text().splitlines() if line.startswith(f"| {beginning} |")]
    (row,) = [line for line in lines if line.count("|") == 8]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize(("row", "backend"), [("`sgbm`", "sgbm"), ("the same at 1.5, its default", "torch")])
def test_readme(row: str, backend: str) -> None:
    assert _cells(ROOT / "README.md", row)[1:6] == _measured(backend, "bad2")


@pytest.mark.parametrize(("column", "backend"), [(2, "sgbm"), (4, "torch")])
def test_card(column: int, backend: str) -> None:
    told = [_cells(CARD, name)[column] for name in SETS]
    assert told == [f"{bad2} / {d1}" for bad2, d1 in zip(_measured(backend, "bad2"), _measured(backend, "d1"))]


def test_both_tell_the_same_of_the_other_scales() -> None:
    told = [re.sub(r"[* ]", "", _cells(CARD, name)[6]).split("/")[0] for name in SETS]
    assert _cells(ROOT / "README.md", "the same at 2.0 with `max_disparity: 256`")[1:6] == told
    (line,) = re.findall(r"^At scale 1: (.*)\. At scale 2", CARD.read_text(), re.MULTILINE)
    told = [pair.split(" / ")[0] for pair in re.split(r", | and ", line)]
    assert _cells(ROOT / "README.md", "`torch` with `mini`, `scale: 1.0`")[1:6] == told

"""The demo's figures as a table for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ffstereo_ros.demo.scores import Scores


@dataclass(frozen=True)
class Traffic:
    """What became of the pairs.

    Attributes:
        sent: pairs that the player sent.
        into: pairs that arrived at the node, synchronised.
        out: pairs it published.
        dropped: pairs it dropped, whatever the cause.
        p50, p95: from the stamp of the left image to the last publication, ms; NaN where nothing was published.
    """

    sent: int
    into: int
    out: int
    dropped: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Row:
    """One backend's figures."""

    backend: str
    scores: Scores
    traffic: Traffic


_HEADINGS = (
    ("backend", ""),
    ("bad2", "%"),
    ("EPE", "px"),
    ("answered", "%"),
    ("depth error", "mm, median / p95"),
    ("stamp to publish", "ms, p50 / p95"),
    ("pairs", "sent > in > out, dropped"),
)
NOTE = (
    "bad2: off by more than 2 px or not answered, of all truth pixels, occluded ones too. EPE and depth error: over\n"
    "the answered truth pixels. in: synchronised sets that reached the node; dropped: by the node, in favour of a\n"
    "newer pair or for a stated cause."
)


def format_table(rows: Sequence[Row]) -> str:
    """Columns as wide as they need to be, the units under the names."""
    lines = [tuple(name for name, _ in _HEADINGS), tuple(unit for _, unit in _HEADINGS), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    text.insert(2, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def _cells(row: Row) -> tuple[str, ...]:
    scores, traffic = row.scores, row.traffic
    return (
        row.backend,
        f"{scores.bad2:.1f}",
        f"{scores.epe:.2f}",
        f"{scores.answered:.1f}",
        f"{scores.depth_median:.1f} / {scores.depth_p95:.0f}",
        f"{traffic.p50:.0f} / {traffic.p95:.0f}",
        f"{traffic.sent} > {traffic.into} > {traffic.out}, {traffic.dropped}",
    )


def write_json(path: Path, rows: Sequence[Row]) -> None:
    """The same figures for programs; the units are those of the attributes."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")

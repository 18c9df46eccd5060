"""What a run over a recording found, and its table of frames."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from ffstereo_ros.evaluation.bag_frames import StreamCounts
from ffstereo_ros.evaluation.metrics import DepthByRange, DisparityCounts
from ffstereo_ros.evaluation.page import Strip
from ffstereo_ros.evaluation.results import DEFINITIONS
from ffstereo_ros.evaluation.series import Series
from ffstereo_ros.evaluation.sparsification import Sparsification
from ffstereo_ros.evaluation.timing import LatencyHistogram
from ffstereo_ros.files.whole import naming
from ffstereo_ros.machine import machine

SERIES = ("coverage", "left_right", "plane_px", "flicker_px", "jumps", "bad2", "epe", "match_ms")


@dataclass
class BagRun:
    """What a recording showed.

    Attributes:
        source, backend, truth: the bag, the matcher's description, and the topic judged against (empty: none).
        planned: left images in the bag.
        stream: pairs, partners missing, frames refused by the decoder or the backend.
        latency: of the matches.
        counts, depth, confidence: against the truth, over all frames.
        truth_frames: frames that had one.
        series: each of ``SERIES`` over time.
        strips: pictures of a few frames.
        notes: what the reader should know.
        seconds: of the bag that were covered.
        complete: False where it ended early.
        ended: how it did: "interrupted", or "ended early" and what was wrong with a file; else empty.
    """

    source: str
    backend: str = ""
    truth: str = ""
    planned: int = 0
    stream: StreamCounts = field(default_factory=StreamCounts)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    counts: DisparityCounts = field(default_factory=DisparityCounts)
    depth: DepthByRange = field(default_factory=DepthByRange)
    confidence: Sparsification = field(default_factory=Sparsification)
    truth_frames: int = 0
    series: dict[str, Series] = field(default_factory=lambda: {name: Series() for name in SERIES})
    strips: list[Strip] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    negative_percent: Series = field(default_factory=Series)
    seconds: float = 0.0
    complete: bool = False
    ended: str = ""
    started: str = ""
    command: str = ""
    result_bag: str = ""

    def note(self, text: str) -> None:
        """Keeps a note for the report; at most 20 are told apart."""
        if text and len(self.notes) < 20:
            self.notes.add(text)

    @property
    def frames(self) -> int:
        """Frames that were matched."""
        return self.latency.frames

    def as_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        entry: dict[str, Any] = {
            "format": 1,
            "complete": self.complete,
            "ended": self.ended,
            "source": self.source,
            "backend": self.backend,
            "command": self.command,
            "started": self.started,
            "result_bag": self.result_bag,
            "machine": machine(),
            "definitions": DEFINITIONS,
            "frames": self.frames,
            "left_images": self.planned,
            "left_without_right": self.stream.unpaired_left,
            "right_without_left": self.stream.unpaired_right,
            "refused": self.stream.refused,
            "seconds": self.seconds,
            "latency": self.latency.as_dict(),
            "consistency": {name: self.series[name].mean for name in SERIES[:5]},
            "negative_percent": self.negative_percent.mean,
            "notes": sorted(self.notes),
        }
        return {**entry, **self._against_truth()} if self.truth_frames else entry

    def _against_truth(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "truth": self.truth,
            "truth_frames": self.truth_frames,
            "truth_pixels": self.counts.pixels,
            "all": self.counts.over_all(),
            "answered": self.counts.over_answered(),
        }
        if self.depth.pixels.sum():
            found |= {"depth": self.depth.overall(), "depth_by_range": self.depth.by_range()}
        if self.confidence.frames:
            found["confidence"] = self.confidence.as_dict()
        return found


class FrameTable:
    """``frames.csv``: a row a frame, written as it comes; use it in a ``with`` block.

    Raises:
        InputFileError: the file cannot be written, here and in every method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with naming(path):
            self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["stamp_ns", *SERIES])

    def __enter__(self) -> FrameTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming(self._path):
            self._file.close()

    def add(self, stamp: int, row: dict[str, float]) -> None:
        """Writes one row; unknown is empty."""
        values = (row.get(name, math.nan) for name in SERIES)
        with naming(self._path):
            self._writer.writerow([stamp, *(f"{value:.5g}" if math.isfinite(value) else "" for value in values)])

"""What a run over scenes found, and its two files for machines: ``metrics.json`` and ``metrics.csv``."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ffstereo_ros.evaluation.metrics import DISPARITY_FIGURES, DepthByRange, DisparityCounts, Figures, mean_figures
from ffstereo_ros.evaluation.sparsification import Sparsification
from ffstereo_ros.evaluation.timing import LatencyHistogram
from ffstereo_ros.files.whole import whole_file
from ffstereo_ros.machine import machine

FORMAT = 1
DEFINITIONS = {
    "all": "over every truth pixel; an unknown answer is bad, and for epe it counts as an answer of 0 px",
    "answered": "over truth pixels with an answer; read it together with density",
    "visible": "as all, over truth pixels seen by both cameras",
    "bad05, bad1, bad2, bad3": "share of pixels off by more than 0.5, 1, 2, 3 px, % (Scharstein and Szeliski 2002)",
    "d1": "share of pixels off by more than 3 px and by more than 5 % of the truth, % (Menze and Geiger 2015)",
    "epe": "mean absolute disparity error, px",
    "density": "share of truth pixels with an answer, %",
    "mae_m, abs_rel": "mean absolute depth error, m, and relative to the true depth, %, over answered pixels",
    "ause": "area between the sparsification curve of the confidence and the oracle's; 0 = perfect (Ilg et al. 2018)",
    "coverage": "share of all pixels with an answer, %",
    "left_right": "share of answered pixels whose match in the right image points back within 1 px, %",
    "plane_px": "RMS distance from a plane at the flattest quarter of all 32x32 px blocks, px",
    "flicker_px": "median change between frames that no motion explains, px",
    "jumps": "share of tracked pixels whose disparity changes by more than 1 px without motion, %",
    "mean": "every scene weighs the same; those without truth, and those that failed, are not in it",
}


@dataclass(frozen=True)
class Tile:
    """One picture of a scene's strip: what it shows, and its data address."""

    caption: str
    address: str


@dataclass
class SceneResult:
    """One scene by one contender.

    Attributes:
        scene, group: as in ``Scene``.
        width, height: px.
        max_disparity: searched, px.
        counts: over all truth pixels, or None without a pixel of truth.
        visible: over truth pixels seen by both, or None where that is not known.
        depth: errors by range, or None without calibration or truth.
        confidence: sparsification, or None.
        consistency: coverage, left_right, plane_px.
        match_ms, infer_ms: time of one match, and the part inside the backend.
        negative_percent: answers below 0 px before masking, %.
        note: what the reader should know (an unusable calibration, a search that is too short).
        failed: why there is no result, or empty.
    """

    scene: str
    group: str
    width: int = 0
    height: int = 0
    max_disparity: float = 0.0
    counts: DisparityCounts | None = None
    visible: DisparityCounts | None = None
    depth: DepthByRange | None = None
    confidence: Sparsification | None = None
    consistency: Figures = field(default_factory=dict)
    match_ms: float = math.nan
    infer_ms: float = math.nan
    negative_percent: float = math.nan
    note: str = ""
    failed: str = ""

    def figures(self) -> dict[str, Figures]:
        """``all``, ``answered``, ``visible`` and ``depth`` as far as they are known."""
        known: dict[str, Figures] = {}
        if self.counts is not None:
            known["all"], known["answered"] = self.counts.over_all(), self.counts.over_answered()
        if self.visible is not None:
            known["visible"] = self.visible.over_all()
        if self.depth is not None and self.depth.pixels.sum():
            known["depth"] = self.depth.overall()
        return known

    def as_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        entry: dict[str, Any] = {"group": self.group, "width": self.width, "height": self.height}
        if self.failed:
            return {**entry, "failed": self.failed}
        entry |= {"max_disparity_px": self.max_disparity, **self.figures(), "consistency": self.consistency}
        if self.counts is not None:
            entry["truth_pixels"] = self.counts.pixels
        if self.depth is not None and self.depth.pixels.sum():
            entry["depth_by_range"] = self.depth.by_range()
        if self.confidence is not None:
            entry["ause"] = self.confidence.ause()
        entry |= {"match_ms": self.match_ms, "infer_ms": self.infer_ms, "negative_percent": self.negative_percent}
        return {**entry, "note": self.note} if self.note else entry


@dataclass
class ContenderResult:
    """All scenes by one contender.

    Attributes:
        label: what it is called in tables.
        description: the factory's line: which backend, and why.
        scenes: in the order they were run.
        depth, confidence, latency: over all scenes.
    """

    label: str
    description: str = ""
    scenes: list[SceneResult] = field(default_factory=list)
    depth: DepthByRange = field(default_factory=DepthByRange)
    confidence: Sparsification = field(default_factory=Sparsification)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)

    def add(self, result: SceneResult) -> None:
        """Takes one scene's result into the lists and sums."""
        self.scenes.append(result)
        if result.depth is not None:
            self.depth.merge(result.depth)
        if result.confidence is not None:
            self.confidence.merge(result.confidence)
        if not result.failed:
            self.latency.add(result.match_ms / 1000.0)

    def matched(self, group: str | None = None) -> list[SceneResult]:
        """Scenes (of one group) that did not fail."""
        return [scene for scene in self.scenes if not scene.failed and group in (None, scene.group)]

    def failed(self) -> list[SceneResult]:
        """Scenes without a result."""
        return [scene for scene in self.scenes if scene.failed]

    def judged(self, group: str | None = None) -> list[SceneResult]:
        """Scenes (of one group) that have figures against a truth; means of those figures are over them."""
        return [scene for scene in self.matched(group) if scene.counts is not None]

    def mean(self, group: str | None = None) -> dict[str, Figures]:
        """Means over the scenes (of one group), for each of all, answered, visible, depth, consistency."""
        rows = [{**scene.figures(), "consistency": scene.consistency} for scene in self.matched(group)]
        kinds = ("all", "answered", "visible", "depth", "consistency")
        return {kind: mean_figures(found) for kind in kinds if (found := [row[kind] for row in rows if row.get(kind)])}

    def groups(self) -> list[str]:
        """The data sets, in the order of their first scene."""
        return list(dict.fromkeys(scene.group for scene in self.scenes))

    def as_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        entry: dict[str, Any] = {
            "description": self.description,
            "scenes": {scene.scene: scene.as_dict() for scene in self.scenes},
            "scenes_matched": len(self.matched()),
            "scenes_judged": len(self.judged()),
            "mean": self.mean(),
            "groups": {group: self.mean(group) for group in self.groups()},
            "latency": self.latency.as_dict(),
        }
        if self.depth.pixels.sum():
            entry["depth_by_range"] = self.depth.by_range()
        if self.confidence.frames:
            entry["confidence"] = self.confidence.as_dict()
        return entry


@dataclass
class Run:
    """One evaluation.

    Attributes:
        source: folder that was evaluated.
        contenders: side by side.
        tiles: pictures by scene.
        complete: False where it was interrupted.
        planned: scenes there were to do.
        started: ISO time.
        command: as typed.
    """

    source: str
    contenders: list[ContenderResult]
    tiles: dict[str, list[Tile]] = field(default_factory=dict)
    complete: bool = False
    planned: int = 0
    started: str = ""
    command: str = ""

    @property
    def done(self) -> int:
        """Scenes that every contender has finished."""
        return min((len(contender.scenes) for contender in self.contenders), default=0)

    def as_dict(self) -> dict[str, Any]:
        """``metrics.json``: ``scenes`` and ``mean`` are the first contender's, ``runs`` holds all of them."""
        runs = {contender.label: contender.as_dict() for contender in self.contenders}
        first = runs[self.contenders[0].label]
        return {
            "format": FORMAT,
            "complete": self.complete,
            "scenes_done": self.done,
            "scenes_planned": self.planned,
            "source": self.source,
            "command": self.command,
            "started": self.started,
            "machine": machine(),
            "definitions": DEFINITIONS,
            "backend": self.contenders[0].label,
            "scenes": first["scenes"],
            "mean": first["mean"],
            "runs": runs,
        }


def write_json(content: dict[str, Any], path: Path) -> None:
    """Strict JSON: NaN and infinity, which JSON lacks, become null. Replaces the file in one step."""
    replace_text(path, json.dumps(_strict(content), indent=1, ensure_ascii=False) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Writes UTF-8 in one step; bytes of a file name that are no UTF-8 (Latin-1, say) stand in it as ``\\udce9``."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8", errors="backslashreplace"))


def write_csv(run: Run, path: Path) -> None:
    """One row for each scene and contender, ``bad2_all`` and so on; unknown is empty."""
    kinds = ("all", "answered", "visible")
    names = ["backend", "scene", "group", "width", "height", "max_disparity_px", "truth_pixels"]
    names += [f"{figure}_{kind}" for kind in kinds for figure in DISPARITY_FIGURES]
    names += ["mae_m", "abs_rel", "ause", "coverage", "left_right", "plane_px", "match_ms", "infer_ms", "failed"]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, names, restval="", extrasaction="ignore")
    writer.writeheader()
    for contender in run.contenders:
        for scene in contender.scenes:
            writer.writerow(_csv_row(contender.label, scene))
    replace_text(path, table.getvalue())


def _csv_row(label: str, scene: SceneResult) -> dict[str, Any]:
    entry = scene.as_dict()
    row: dict[str, Any] = {"backend": label, "scene": scene.scene, **entry, **entry.get("consistency", {})}
    row |= entry.get("depth", {})
    for kind in ("all", "answered", "visible"):
        row |= {f"{name}_{kind}": value for name, value in entry.get(kind, {}).items()}
    return {
        name: "" if isinstance(value, float) and not math.isfinite(value) else _rounded(value)
        for name, value in row.items()
    }


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strict(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(inner) for inner in value]
    if isinstance(value, float):
        return _rounded(value) if math.isfinite(value) else None
    return value


def _rounded(value: Any) -> Any:
    """Five decimals are finer than any truth."""
    return round(value, 5) if isinstance(value, float) else value

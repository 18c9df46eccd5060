"""The report over a recording: a run in, ``report.html`` out."""

from __future__ import annotations

import math
from pathlib import Path

from ffstereo_ros.evaluation import plots
from ffstereo_ros.evaluation.bag_results import BagRun
from ffstereo_ros.evaluation.page import Cell, Page, Plot, Table, number, write_page
from ffstereo_ros.evaluation.results import DEFINITIONS
from ffstereo_ros.machine import machine

# Series, title, y axis, how to read it.
_CURVES = (
    ("bad2", "Error over time", "bad2, %", "Against the truth; unknown counted as bad."),
    ("coverage", "Coverage over time", "answered, %", "Share of all pixels with an answer."),
    ("left_right", "Left-right agreement", "confirmed, %", "Occluded pixels are never confirmed."),
    ("flicker_px", "Flicker", "median change, px", "Change between frames that no motion explains."),
    ("match_ms", "Time per frame over time", "ms", "Prepare, match and restore."),
)


def write_bag_report(run: BagRun, path: Path) -> None:
    """Renders a run, complete or not.

    Raises:
        MissingDependencyError: jinja2 or matplotlib is not installed.
    """
    covered = f"{run.frames} frames, {run.seconds:.1f} s"
    page = Page(
        title="Stereo evaluation of a recording",
        subtitle=f"{run.source} · {covered} · {run.started}",
        partial="" if run.complete else f"{run.ended} after {covered}; {run.planned} left images are in the bag.",
        verdicts=_verdicts(run),
        tables=[*_truth_tables(run), _consistency_table(run), _frames_table(run)],
        plots=_plots(run),
        strips=run.strips,
        definitions=DEFINITIONS,
        facts={
            **machine(),
            "backend": run.backend,
            "result bag": run.result_bag or "not written",
            "command": run.command,
        },
        errors=run.truth_frames > 0,
    )
    write_page(page, path)


def _verdicts(run: BagRun) -> list[str]:
    lines = [f"{run.frames} of {run.planned} left images were matched; none was dropped for time."]
    if run.truth_frames and not run.counts.pixels:
        lines.append(f"{run.truth} ({run.truth_frames} frames) holds no truth: every pixel of it is unknown.")
    elif run.truth_frames:
        figures = run.counts.over_all()
        lines.append(
            f"Against {run.truth} ({run.truth_frames} frames): {figures['bad2']:.2f} % of truth pixels are off by more "
            f"than 2 px or unanswered, mean error {figures['epe']:.2f} px."
        )
    else:
        lines.append("No truth was compared: the figures below say how consistent the answers are, not how right.")
    missing = run.stream.unpaired_left + run.stream.unpaired_right
    if missing:
        lines.append(
            f"{run.stream.unpaired_left} left and {run.stream.unpaired_right} right images have no partner of the same "
            "stamp; if the cameras are not triggered together, give --sync-tolerance."
        )
    if run.negative_percent.mean > 2.0:
        lines.append(
            f"{run.negative_percent.mean:.1f} % of the answers are negative: left and right may be swapped, or the "
            "weights were converted with the wrong --normalize-correlation."
        )
    return (
        lines
        + [f"{count} frames refused: {reason}" for reason, count in run.stream.refused.items()]
        + sorted(run.notes)
    )


def _truth_tables(run: BagRun) -> list[Table]:
    if not run.truth_frames:
        return []
    rows = []
    for name, figures in (("all", run.counts.over_all()), ("answered", run.counts.over_answered())):
        rows.append([Cell(name), *(number(figures[key], 3 if key == "epe" else 2) for key in figures)])
    heads = ["pixels", "bad0.5 [%]", "bad1 [%]", "bad2 [%]", "bad3 [%]", "D1 [%]", "EPE [px]", "density [%]"]
    note = f"{run.truth}, {run.counts.pixels} truth pixels in {run.truth_frames} frames; every pixel weighs the same."
    tables = [Table("Against the truth", heads, rows, note)]
    ranges = run.depth.by_range()
    if ranges:
        columns = (("pixels", 0), ("density", 1), ("bad2", 2), ("abs_rel", 2), ("mae_m", 3))
        cells = [
            [Cell(plots.span(row), row["from_m"]), *(number(row[name], digits) for name, digits in columns)]
            for row in ranges
        ]
        heads = ["true depth", "truth pixels", "density [%]", "bad2 [%]", "AbsRel [%]", "MAE [m]"]
        tables.append(Table("Depth by range", heads, cells))
    return tables


def _consistency_table(run: BagRun) -> Table:
    rows = [
        [Cell(name), number(run.series[key].mean, digits), Cell(unit), number(run.series[key].count, 0)]
        for name, key, digits, unit in (
            ("coverage", "coverage", 1, "%"),
            ("left-right agreement", "left_right", 1, "%"),
            ("plane residual", "plane_px", 3, "px"),
            ("flicker", "flicker_px", 3, "px"),
            ("jumps", "jumps", 2, "%"),
        )
    ]
    return Table(
        "Consistency",
        ["figure", "mean", "unit", "frames"],
        rows,
        "What surely is wrong shows here; what is right may not.",
    )


def _frames_table(run: BagRun) -> Table:
    times = run.latency.as_dict()
    rows = [
        [Cell("left images in the bag"), number(run.planned, 0)],
        [Cell("matched"), number(run.frames, 0)],
        [Cell("left without right"), number(run.stream.unpaired_left, 0)],
        [Cell("right without left"), number(run.stream.unpaired_right, 0)],
        [Cell("refused"), number(sum(run.stream.refused.values()), 0)],
        *(
            [Cell(f"time {name.removesuffix('_ms')} [ms]"), number(times[name], 1)]
            for name in ("p50_ms", "p95_ms", "max_ms")
        ),
    ]
    return Table("Frames and time", ["what", "value"], rows, "Every frame is waited for; nothing is dropped for time.")


def _plots(run: BagRun) -> list[Plot]:
    found = []
    for key, title, label, note in _CURVES:
        series = run.series[key]
        if len(series.times) > 1 and math.isfinite(series.mean):
            found.append(Plot(title, plots.over_time({"": (series.times, series.values)}, label), note))
    if run.depth.answered.sum():
        svg = plots.depth_by_range({"": run.depth}, "abs_rel", "AbsRel, %")
        found.append(Plot("Depth error by range", svg, "Mean relative depth error of answered pixels, by true depth."))
    if run.confidence.frames:
        svg = plots.sparsification_curves({"confidence": run.confidence})
        found.append(Plot("Sparsification", svg, "A good confidence falls with its oracle."))
        found.append(
            Plot(
                "Error by confidence",
                plots.error_by_confidence({"": run.confidence}),
                "It should fall from left to right.",
            )
        )
    if run.frames:
        found.append(
            Plot("Time per frame", plots.latency_histogram({"matching": run.latency}), "Prepare, match and restore.")
        )
    return found

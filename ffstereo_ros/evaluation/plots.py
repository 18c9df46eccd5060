"""The report's figures as SVG text (matplotlib), readable on light and dark pages alike."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ffstereo_ros.errors import MissingDependencyError
from ffstereo_ros.evaluation.metrics import DepthByRange, Figures
from ffstereo_ros.evaluation.sparsification import REMOVED, Sparsification
from ffstereo_ros.evaluation.timing import LatencyHistogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): colours that stay apart for colour-blind eyes.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7f7f7f", "#b8a800")
# Grey that reads on white and on near-black.
_INK = "#808890"


@contextmanager
def _figure(svg: list[str], xlabel: str, ylabel: str) -> Iterator[Axes]:
    """Axes to draw on; the SVG text is appended to ``svg`` on leaving."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib is not installed: pip install matplotlib (reports need it)") from error
    # One salt a figure: ids inside the SVGs of a page must differ.
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"{xlabel}|{ylabel}",
        "font.family": "sans-serif",
        "font.sans-serif": ["system-ui", "DejaVu Sans"],
        "font.size": 11,
        **{f"{name}.color": _INK for name in ("text", "xtick", "ytick")},
        "axes.labelcolor": _INK,
        "axes.edgecolor": _INK,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(5.6, 3.5), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color=_INK, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        yield axes
        if axes.get_legend_handles_labels()[1]:
            # Above the axes: inside, it would hide bars and curves of some runs.
            figure.legend(loc="outside upper left", ncols=2, frameon=False, labelcolor=_INK, fontsize=10)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg.append(text.getvalue()[text.getvalue().index("<svg") :])


def grouped_bars(series: dict[str, dict[str, float]], ylabel: str) -> str:
    """One group of bars for each key of the inner dicts, one bar for each series; NaN leaves a gap."""
    svg: list[str] = []
    groups = list(dict.fromkeys(group for values in series.values() for group in values))
    width = 0.8 / max(len(series), 1)
    with _figure(svg, "", ylabel) as axes:
        for index, (label, values) in enumerate(series.items()):
            if not values:
                continue  # the others keep their places and colours
            heights = [values.get(group, np.nan) for group in groups]
            places = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
            axes.bar(places, heights, width * 0.92, label=label, color=COLOURS[index % len(COLOURS)])
        axes.set_xticks(
            np.arange(len(groups)),
            groups,
            rotation=30 if len(groups) > 5 else 0,
            ha="right" if len(groups) > 5 else "center",
        )
    return svg[0]


def depth_by_range(results: dict[str, DepthByRange], figure: str, ylabel: str) -> str:
    """A figure of ``DepthByRange.by_range`` (``abs_rel`` or ``bad2``) over the true depth."""
    series = {name: {span(row): row[figure] for row in depth.by_range()} for name, depth in results.items()}
    return grouped_bars(series, ylabel)


def span(row: Figures) -> str:
    """``2–4 m``; the last range is open."""
    return f"{row['from_m']:g}–{row['to_m']:g} m" if np.isfinite(row["to_m"]) else f"> {row['from_m']:g} m"


def sparsification_curves(results: dict[str, Sparsification]) -> str:
    """Relative error left over the share of pixels removed, by confidence and by the oracle."""
    svg: list[str] = []
    with _figure(svg, "least confident pixels removed, %", "error left, relative") as axes:
        for index, (label, curves) in enumerate(results.items()):
            if not curves.frames:
                continue
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(100 * REMOVED, curves.by_confidence / curves.frames, color=colour, label=label, linewidth=2)
            axes.plot(
                100 * REMOVED, curves.by_oracle / curves.frames, color=colour, linestyle=":", label=f"{label}: oracle"
            )
        axes.axhline(1.0, color=_INK, linewidth=0.8)
        axes.set_ylim(bottom=0)
    return svg[0]


def error_by_confidence(results: dict[str, Sparsification]) -> str:
    """bad2 in each tenth of the confidence scale: it should fall from left to right."""
    series = {}
    for label, curves in results.items():
        with np.errstate(invalid="ignore", divide="ignore"):
            bad2 = 100.0 * curves.bad2 / curves.pixels
        bins = {f"{index / 10:.1f}": float(value) for index, value in enumerate(bad2)}
        series[label] = bins if curves.frames else {}
    return grouped_bars(series, "bad2 in this tenth of confidence, %")


def latency_histogram(results: dict[str, LatencyHistogram]) -> str:
    """Frames over time per frame."""
    svg: list[str] = []
    with _figure(svg, "time per frame, ms", "frames") as axes:
        for index, (label, latency) in enumerate(results.items()):
            edges, counts = latency.bars()
            colour = COLOURS[index % len(COLOURS)]
            axes.stairs(
                counts,
                edges,
                fill=True,
                alpha=0.55,
                color=colour,
                label=f"{label}, p50 {1000 * latency.percentile(50):.0f} ms",
            )
        typical = [latency.percentile(50) for latency in results.values() if latency.frames]
        if typical and max(typical) > 8 * min(typical):
            axes.set_xscale("log")
        else:
            axes.set_xlim(0, 1.05 * max((1000 * latency.longest for latency in results.values()), default=1.0))
    return svg[0]


def over_time(series: dict[str, tuple[list[float], list[float]]], ylabel: str) -> str:
    """Lines over the time in s since the start; each series is its times and its values."""
    svg: list[str] = []
    with _figure(svg, "time in the bag, s", ylabel) as axes:
        for index, (label, (times, values)) in enumerate(series.items()):
            axes.plot(times, values, color=COLOURS[index % len(COLOURS)], label=label, linewidth=1.4)
        axes.set_ylim(bottom=0)
    return svg[0]

"""The demo's picture: what the camera saw, what the node published, and how wrong it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ffstereo_ros.core.geometry import depth_from_disparity
from ffstereo_ros.demo.cloud_view import render_cloud
from ffstereo_ros.demo.motorcycle import KnownPair
from ffstereo_ros.demo.scores import Scores, disparity_error
from ffstereo_ros.evaluation.metrics import BAD_THRESHOLDS

Float32Array = NDArray[np.float32]

_UNKNOWN = "#c9ccd1"
_MISSING = "#3d4350"
_CURVES = ("#b3123c", "#2c7fb8", "#3b8f4f", "#8456a8")
_INK = "#1f2430"
_MUTED = "#5d6475"
# Steps that mean something for stereo: below half a pixel is good, above the 2 px of bad2 is wrong.
_ERROR_STEPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
_ERROR_COLOURS = ("#2c7fb8", "#7fcdbb", "#f7e08a", "#f48a4b", "#b3123c")


@dataclass(frozen=True)
class Answer:
    """What one backend's node published for the pair.

    Attributes:
        title: the backend in a few words.
        disparity: ``[H, W]`` px of the left image, NaN = unknown.
        depth: ``[H, W]`` m, NaN = unknown.
        points: ``[H, W, 3]`` m, NaN = unknown.
        scores: errors against the truth.
    """

    title: str
    disparity: Float32Array
    depth: Float32Array
    points: Float32Array
    scores: Scores


@dataclass(frozen=True)
class _Scale:
    """One column's colours, with the words under its legend."""

    norm: Normalize
    colours: Colormap
    label: str

    def show(self, axes: Axes, values: Float32Array) -> None:
        axes.imshow(np.ma.masked_invalid(values), norm=self.norm, cmap=self.colours, interpolation="nearest")


def draw(path: Path, pair: KnownPair, answers: Sequence[Answer], *, with_photo: bool = True) -> None:
    """Writes the picture as PNG: a row for the truth, then a row for each answer.

    Args:
        path: file to write.
        pair: what was played.
        answers: what came back, at least one.
        with_photo: False leaves out everything that shows the data set itself (photograph, its colours, truth).
    """
    scales = _scales(pair)
    rows = len(answers) + int(with_photo)
    height, width = pair.truth.shape
    column, gap = 4.0, 0.62
    figure = Figure(figsize=(4 * column, rows * (column * height / width + gap) + 1.45), dpi=110, facecolor="white")
    grid = figure.add_gridspec(
        rows + 1, 4, height_ratios=[1.0] * rows + [0.03], left=0.012, right=0.988, wspace=0.03, hspace=0.17,
        top=1 - 0.95 / figure.get_figheight(), bottom=0.62 / figure.get_figheight(),
    )  # fmt: skip
    axes = [[figure.add_subplot(grid[row, column]) for column in range(4)] for row in range(rows)]
    if with_photo:
        _draw_truth(axes[0], pair, scales)
        _draw_curves(axes[0][3], pair, answers)
    for row, answer in zip(axes[int(with_photo) :], answers):
        _draw_answer(row, pair, answer, scales, with_photo)
    for index, scale in enumerate(scales, start=1):
        _draw_legend(figure, figure.add_subplot(grid[rows, index]), scale)
    _draw_heading(figure, pair)
    figure.savefig(path)


def _scales(pair: KnownPair) -> tuple[_Scale, _Scale, _Scale]:
    depth = depth_from_disparity(pair.truth, pair.camera)
    disparity_range = Normalize(0.0, float(np.nanpercentile(pair.truth, 99.5)))
    depth_range = Normalize(float(np.nanpercentile(depth, 0.5)), float(np.nanpercentile(depth, 97)))
    errors = ListedColormap(_ERROR_COLOURS)
    return (
        _Scale(disparity_range, _named("turbo"), "disparity, px of the left image (near is red)"),
        _Scale(depth_range, _named("turbo_r"), "depth along the optical axis, m (near is red)"),
        _Scale(
            BoundaryNorm(_ERROR_STEPS, len(_ERROR_COLOURS)),
            _unknown_grey(errors),
            "disparity error, px (dark: no answer, grey: no truth)",
        ),
    )


def _named(name: str) -> Colormap:
    from matplotlib import colormaps

    return _unknown_grey(colormaps[name])


def _unknown_grey(colours: Colormap) -> Colormap:
    return colours.with_extremes(bad=_UNKNOWN, over=colours(1.0))


def _draw_truth(axes: list[Axes], pair: KnownPair, scales: tuple[_Scale, _Scale, _Scale]) -> None:
    _frame(axes[0], "left camera", pair.name)
    axes[0].imshow(pair.left)
    _frame(axes[1], "truth: disparity", "measured with structured light")
    scales[0].show(axes[1], pair.truth)
    _frame(axes[2], "truth: depth", "f · B / (d + cx_right − cx_left)")
    scales[1].show(axes[2], depth_from_disparity(pair.truth, pair.camera))


def _draw_curves(axes: Axes, pair: KnownPair, answers: Sequence[Answer]) -> None:
    """For each error, how many of the truth pixels are no worse; what was not answered never counts as good."""
    _frame(axes, "how many pixels are how good", "% of truth pixels with an error of at most … px")
    axes.set_box_aspect(pair.camera.height / pair.camera.width)
    chart = axes.inset_axes((0.075, 0.08, 0.915, 0.9))
    steps = np.linspace(0, 5, 101)
    known = np.isfinite(pair.truth)
    for answer, colour in zip(answers, _CURVES):
        errors = np.nan_to_num(disparity_error(answer.disparity, pair)[known], nan=np.inf)
        share = [100 * float(np.mean(errors <= step)) for step in steps]
        chart.plot(steps, share, linewidth=2.4, color=colour, label=answer.title)
    chart.axvline(BAD_THRESHOLDS["bad2"], color=_MUTED, linewidth=1, linestyle=":")
    chart.set(xlim=(0, 5), ylim=(0, 100), xticks=range(6), yticks=range(0, 101, 20))
    chart.tick_params(labelsize=9, colors=_MUTED, length=0)
    chart.spines[:].set_visible(False)
    chart.grid(color="#e6e8ec")
    chart.legend(loc="lower right", frameon=False, fontsize=10)


def _draw_answer(
    axes: list[Axes], pair: KnownPair, answer: Answer, scales: tuple[_Scale, _Scale, _Scale], with_photo: bool
) -> None:
    title, scores = answer.title, answer.scores
    colours = pair.left if with_photo else _shaded(answer.depth, scales[1])
    points = np.count_nonzero(np.isfinite(answer.points[..., 2]))
    _frame(axes[0], f"{title}: points2", f"{points:,} points, seen from the side")
    axes[0].imshow(render_cloud(answer.points, colours))
    _frame(axes[1], f"{title}: disparity", f"{np.isfinite(answer.disparity).mean():.0%} of pixels answered")
    scales[0].show(axes[1], answer.disparity)
    depth_error = f"error {scores.depth_median:.1f} mm median, {scores.depth_p95:.0f} mm p95"
    _frame(axes[2], f"{title}: depth", depth_error)
    scales[1].show(axes[2], answer.depth)
    _frame(axes[3], f"{title}: error", f"bad2 {scores.bad2:.1f} % of all, EPE {scores.epe:.2f} px of answered")
    scales[2].show(axes[3], disparity_error(answer.disparity, pair))
    _mark_missing(axes[3], pair, answer)


def _mark_missing(axes: Axes, pair: KnownPair, answer: Answer) -> None:
    """Paints the truth pixels without an answer, which count as bad, over the grey of those without truth."""
    missing = np.isfinite(pair.truth) & ~np.isfinite(answer.disparity)
    axes.imshow(np.ma.masked_equal(missing, False), cmap=ListedColormap([_MISSING]), interpolation="nearest")


def _shaded(depth: Float32Array, scale: _Scale) -> NDArray[np.uint8]:
    rgba: Any = scale.colours(scale.norm(np.ma.masked_invalid(depth)))
    return (255 * np.asarray(rgba)[..., :3]).astype(np.uint8)


def _frame(axes: Axes, title: str, words: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=_INK, pad=19)
    axes.text(0, 1.018, words, transform=axes.transAxes, fontsize=9.5, color=_MUTED, va="bottom")


def _draw_legend(figure: Figure, axes: Axes, scale: _Scale) -> None:
    axes.set_axis_off()
    inner = axes.inset_axes((0.02, 0.0, 0.96, 1.0))
    bar = figure.colorbar(ScalarMappable(scale.norm, scale.colours), cax=inner, orientation="horizontal", extend="max")
    bar.outline.set_visible(False)
    bar.set_label(scale.label, fontsize=9.5, color=_MUTED)
    inner.tick_params(labelsize=9, colors=_MUTED, length=2)


def _draw_heading(figure: Figure, pair: KnownPair) -> None:
    camera = pair.camera
    top = 1 - 0.14 / figure.get_figheight()
    figure.text(0.012, top, "ffstereo_ros: a stereo pair in, metric depth out", fontsize=15, fontweight="bold",
                color=_INK, va="top")  # fmt: skip
    figure.text(
        0.988, top,
        f"{camera.width}x{camera.height} px, f = {camera.f:.1f} px, baseline {1000 * camera.baseline:.0f} mm; "
        "published by the node over DDS; grey = unknown",
        fontsize=10, color=_MUTED, ha="right", va="top",
    )  # fmt: skip

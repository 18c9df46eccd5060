"""The report over scenes: a finished run in, ``report.html`` out."""

from __future__ import annotations

from pathlib import Path

from ffstereo_ros.evaluation import plots
from ffstereo_ros.evaluation.page import Cell, Page, Plot, Strip, Table, number, smallest, write_page
from ffstereo_ros.evaluation.results import DEFINITIONS, ContenderResult, Run, SceneResult
from ffstereo_ros.machine import machine

# Column head, kind and figure of the mean, digits. The best is marked, but for the density: an answer may be wrong.
_MEAN_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("bad0.5 [%]", "all", "bad05", 2),
    ("bad1 [%]", "all", "bad1", 2),
    ("bad2 [%]", "all", "bad2", 2),
    ("bad3 [%]", "all", "bad3", 2),
    ("D1 [%]", "all", "d1", 2),
    ("EPE [px]", "all", "epe", 3),
    ("density [%]", "all", "density", 1),
    ("bad2 answered [%]", "answered", "bad2", 2),
    ("EPE answered [px]", "answered", "epe", 3),
    ("bad2 visible [%]", "visible", "bad2", 2),
    ("depth AbsRel [%]", "depth", "abs_rel", 2),
    ("depth MAE [m]", "depth", "mae_m", 3),
    ("left-right [%]", "consistency", "left_right", 1),
)
_LARGER_IS_BETTER = ("left_right",)


def write_scene_report(run: Run, path: Path) -> None:
    """Renders a run, complete or not.

    Raises:
        MissingDependencyError: jinja2 or matplotlib is not installed.
    """
    with_truth = any(scene.counts is not None for contender in run.contenders for scene in contender.scenes)
    page = Page(
        title="Stereo evaluation",
        subtitle=f"{run.source} · {run.done} of {run.planned} scenes · {run.started}",
        partial="" if run.complete else f"interrupted after {run.done} of {run.planned} scenes; figures cover these.",
        verdicts=_verdicts(run),
        tables=[_mean_table(run), *_group_table(run), *_range_table(run), _scene_table(run)],
        plots=_plots(run),
        strips=[Strip(name, _strip_note(run, name), tiles) for name, tiles in run.tiles.items()],
        definitions=DEFINITIONS,
        facts={**machine(), **_descriptions(run), "command": run.command},
        errors=with_truth,
    )
    write_page(page, path)


def _descriptions(run: Run) -> dict[str, str]:
    return {contender.label: contender.description or "gave no result" for contender in run.contenders}


def _verdicts(run: Run) -> list[str]:
    """The figures a reader looks for first."""
    lines = []
    for contender in run.contenders:
        mean, failed = contender.mean(), contender.failed()
        if "all" in mean:
            figures = mean["all"]
            lines.append(
                f"{contender.label}: {figures['bad2']:.2f} % of all truth pixels are off by more than 2 px or "
                f"unanswered (mean over {len(contender.judged())} scenes); {figures['density']:.1f} % are answered."
            )
        elif "consistency" in mean:
            figures = mean["consistency"]
            agreement = f", {figures['left_right']:.1f} % of them confirmed" if "left_right" in figures else ""
            lines.append(
                f"{contender.label}: no ground truth; {figures['coverage']:.1f} % of pixels answered{agreement}."
            )
        lines += [f"{contender.label} gave no result for {scene.scene}: {scene.failed}" for scene in failed[:5]]
        if len(failed) > 5:
            lines.append(f"{contender.label}: {len(failed) - 5} more scenes without a result.")
    return lines


def _mean_table(run: Run) -> Table:
    means = [contender.mean() for contender in run.contenders]
    columns = [
        column for column in _MEAN_COLUMNS if any(column[1] in mean and column[2] in mean[column[1]] for mean in means)
    ]
    rows: list[list[Cell]] = [
        [Cell(contender.label), number(len(contender.matched()), 0), number(len(contender.judged()), 0)]
        for contender in run.contenders
    ]
    for _, kind, figure, digits in columns:
        values = [mean.get(kind, {}).get(figure) for mean in means]
        sign = -1 if figure in _LARGER_IS_BETTER else 1
        best = None if figure == "density" else smallest([None if value is None else sign * value for value in values])
        for row, value in zip(rows, values):
            row.append(number(value, digits, best=None if best is None else sign * best))
    for row, contender in zip(rows, run.contenders):
        row += [number(contender.confidence.ause(), 3), number(contender.latency.as_dict()["p50_ms"], 0)]
    heads = ["backend", "scenes", "with truth", *(column[0] for column in columns), "AUSE", "time p50 [ms]"]
    return Table(
        "Mean over scenes",
        heads,
        rows,
        "Over all truth pixels, unknown counted as bad, unless the head says otherwise.",
    )


def _group_table(run: Run) -> list[Table]:
    """bad2 and D1 by data set, where there are several."""
    groups = list(dict.fromkeys(group for contender in run.contenders for group in contender.groups()))
    rows = []
    for group in groups:
        means = [contender.mean(group).get("all", {}) for contender in run.contenders]
        cells = [Cell(group), _scenes_in(run, group)]
        for figure in ("bad2", "d1"):
            best = smallest([mean.get(figure) for mean in means])
            cells += [number(mean.get(figure), best=best) for mean in means]
        if any(means):
            rows.append(cells)
    heads = [f"{name} {contender.label} [%]" for name in ("bad2", "D1") for contender in run.contenders]
    note = "Over all truth pixels, unknown counted as bad."
    return [Table("By data set", ["data set", "scenes", *heads], rows, note)] if len(rows) > 1 else []


def _scenes_in(run: Run, group: str) -> Cell:
    """Scenes the means of a group are over; several numbers where a contender failed in some."""
    counts = [len(contender.judged(group)) for contender in run.contenders]
    return Cell(" / ".join(map(str, counts if len(set(counts)) > 1 else counts[:1])), float(counts[0]))


def _range_table(run: Run) -> list[Table]:
    rows = [
        [
            Cell(contender.label),
            Cell(plots.span(row), row["from_m"]),
            number(row["pixels"], 0),
            *(
                number(row[name], digits)
                for name, digits in (("density", 1), ("bad2", 2), ("abs_rel", 2), ("mae_m", 3))
            ),
        ]
        for contender in run.contenders
        for row in contender.depth.by_range()
    ]
    heads = ["backend", "true depth", "truth pixels", "density [%]", "bad2 [%]", "AbsRel [%]", "MAE [m]"]
    note = "Scenes with a metric calibration only; every pixel weighs the same."
    return [Table("Depth by range", heads, rows, note)] if rows else []


def _scene_table(run: Run) -> Table:
    heads = ["scene", "backend", "size [px]", "searched [px]", "bad2 [%]", "D1 [%]", "EPE [px]", "density [%]"]
    heads += [
        "bad2 answered [%]",
        "bad2 visible [%]",
        "AbsRel [%]",
        "left-right [%]",
        "plane [px]",
        "time [ms]",
        "note",
    ]
    rows = [
        _scene_row(contender, scene)
        for scenes in zip(*(contender.scenes for contender in run.contenders))
        for contender, scene in zip(run.contenders, scenes)
    ]
    return Table("Every scene", heads, rows, "A click on a column sorts by it.", long=True)


def _scene_row(contender: ContenderResult, scene: SceneResult) -> list[Cell]:
    figures = scene.figures()

    def take(kind: str, name: str) -> float | None:
        return figures.get(kind, {}).get(name)

    size = Cell(f"{scene.width}x{scene.height}", float(scene.width * scene.height))
    return [
        Cell(scene.scene),
        Cell(contender.label, contender.label),
        size,
        number(scene.max_disparity, 0),
        number(take("all", "bad2")),
        number(take("all", "d1")),
        number(take("all", "epe"), 3),
        number(take("all", "density"), 1),
        number(take("answered", "bad2")),
        number(take("visible", "bad2")),
        number(take("depth", "abs_rel")),
        number(scene.consistency.get("left_right"), 1),
        number(scene.consistency.get("plane_px"), 3),
        number(scene.match_ms, 0),
        Cell(scene.failed or scene.note, scene.failed or scene.note),
    ]


def _plots(run: Run) -> list[Plot]:
    found = []
    bad2 = {
        contender.label: {
            group: mean["all"]["bad2"] for group in contender.groups() if "all" in (mean := contender.mean(group))
        }
        for contender in run.contenders
    }
    if any(bad2.values()):
        svg = plots.grouped_bars(bad2, "bad2, %")
        found.append(Plot("bad2 by data set", svg, "All truth pixels, unknown counted as bad; lower is better."))
    # All contenders go into every plot, those without data too: each keeps its colour throughout the page.
    depth = {contender.label: contender.depth for contender in run.contenders}
    if any(ranges.answered.sum() for ranges in depth.values()):
        svg = plots.depth_by_range(depth, "abs_rel", "AbsRel, %")
        found.append(Plot("Depth error by range", svg, "Mean relative depth error of answered pixels, by true depth."))
    confidence = {contender.label: contender.confidence for contender in run.contenders}
    if any(curves.frames for curves in confidence.values()):
        note = "A good confidence falls with its oracle; one that knows nothing stays at 1."
        found.append(Plot("Sparsification", plots.sparsification_curves(confidence), note))
        note = "It should fall from left to right."
        found.append(Plot("Error by confidence", plots.error_by_confidence(confidence), note))
    latency = {contender.label: contender.latency for contender in run.contenders if contender.latency.frames}
    if latency:
        svg = plots.latency_histogram(latency)
        found.append(Plot("Time per frame", svg, "Prepare, match and restore; scenes of all sizes together."))
    return found


def _strip_note(run: Run, name: str) -> str:
    """bad2 of every contender on this scene."""
    parts = []
    for contender in run.contenders:
        scene = next((scene for scene in contender.scenes if scene.scene == name), None)
        if scene is not None and scene.counts is not None:
            figures = scene.counts.over_all()
            parts.append(f"{contender.label}: bad2 {figures['bad2']:.2f} %, EPE {figures['epe']:.2f} px")
        elif scene is not None:
            parts.append(f"{contender.label}: {scene.consistency.get('coverage', float('nan')):.1f} % answered")
    return " · ".join(parts)

"""A run over scenes as a page for the documentation: tables and one figure, no image of any data set."""

from __future__ import annotations

from pathlib import Path

from ffstereo_ros.evaluation import plots
from ffstereo_ros.evaluation.metrics import Figures
from ffstereo_ros.evaluation.results import Run, replace_text, write_json
from ffstereo_ros.machine import machine

_FIGURES: tuple[tuple[str, str, str, int], ...] = (
    ("bad2 [%]", "all", "bad2", 2),
    ("D1 [%]", "all", "d1", 2),
    ("EPE [px]", "all", "epe", 3),
    ("density [%]", "all", "density", 1),
    ("bad2 answered [%]", "answered", "bad2", 2),
    ("EPE answered [px]", "answered", "epe", 3),
)


def write_summary(run: Run, folder: Path) -> list[Path]:
    """``accuracy.md``, ``accuracy.json`` and ``accuracy.svg`` in a folder that exists.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    page, figures, picture = (folder / f"accuracy.{suffix}" for suffix in ("md", "json", "svg"))
    series = {
        contender.label: {
            group: mean["all"]["bad2"] for group in contender.groups() if "all" in (mean := contender.mean(group))
        }
        for contender in run.contenders
    }
    replace_text(picture, plots.grouped_bars(series, "bad2 over all truth pixels, %"))
    write_json(run.as_dict(), figures)
    replace_text(page, _page(run))
    return [page, figures, picture]


def _page(run: Run) -> str:
    facts = machine()
    described = "\n".join(f"- **{contender.label}**: {contender.description}" for contender in run.contenders)
    where = f"{facts['processor']}, {facts['cores']} cores, {facts.get('gpu', 'no GPU')}"
    state = "" if run.complete else f"\n**Not complete: {run.done} of {run.planned} scenes.**\n"
    return f"""# Accuracy

Written by `{run.command}` on {run.started[:10]}; do not edit by hand.
{state}
Over every truth pixel: an unanswered one is bad, and for EPE it counts as an answer of 0 px. `answered` looks at
answered pixels alone and is to be read together with the density. Means weigh every scene the same. Times are of one
match on {where}, load average {facts["load"]}; OpenCV {facts["opencv"]}, torch {facts["torch"]}.

{described}

![bad2 by data set](accuracy.svg)

## By data set

{_table(run, _by_group(run))}

## By scene

{_table(run, _by_scene(run))}

## Depth by range

{_depth(run)}
"""


def _by_group(run: Run) -> list[tuple[str, str, dict[str, Figures], float]]:
    """Name, contender, figures and time of each row; all scenes last."""
    groups = list(dict.fromkeys(group for contender in run.contenders for group in contender.groups()))
    rows = []
    for group in (*groups, None):
        for contender in run.contenders:
            scenes = contender.matched(group)
            if scenes:
                name = f"{group or '**all**'} ({len(contender.judged(group)) or len(scenes)})"
                times = sorted(scene.match_ms for scene in scenes)
                rows.append((name, contender.label, contender.mean(group), times[len(times) // 2]))
    return rows


def _by_scene(run: Run) -> list[tuple[str, str, dict[str, Figures], float]]:
    return [
        (scene.scene, contender.label, scene.figures(), scene.match_ms)
        for scenes in zip(*(contender.scenes for contender in run.contenders))
        for contender, scene in zip(run.contenders, scenes)
    ]


def _table(run: Run, rows: list[tuple[str, str, dict[str, Figures], float]]) -> str:
    head = ["scenes", "backend", *(name for name, *_ in _FIGURES), "time [ms]"]
    lines = [_line(head), _line(["---", "---", *["--:"] * (len(head) - 2)])]
    for name, label, figures, milliseconds in rows:
        values = [_number(figures.get(kind, {}).get(key), digits) for _, kind, key, digits in _FIGURES]
        lines.append(_line([name, label, *values, _number(milliseconds, 0)]))
    return "\n".join(lines)


def _depth(run: Run) -> str:
    """Scenes with a metric calibration only."""
    lines = [_line(["true depth", "backend", "truth pixels", "density [%]", "AbsRel [%]", "MAE [m]"])]
    lines.append(_line(["---", "---", *["--:"] * 4]))
    for contender in run.contenders:
        for row in contender.depth.by_range():
            values = [
                _number(row[key], digits)
                for key, digits in (("pixels", 0), ("density", 1), ("abs_rel", 2), ("mae_m", 3))
            ]
            lines.append(_line([plots.span(row), contender.label, *values]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or value != value else f"{value:.{digits}f}"

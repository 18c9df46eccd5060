"""A report page: tables, plots and picture strips in one HTML file that needs no network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from ffstereo_ros.errors import MissingDependencyError
from ffstereo_ros.evaluation.pictures import error_legend
from ffstereo_ros.evaluation.results import Tile, replace_text

TEMPLATE = Path(__file__).with_name("report.html.j2")


@dataclass(frozen=True)
class Cell:
    """One table cell.

    Attributes:
        text: shown.
        value: sorted by; None sorts last.
        best: highlighted.
    """

    text: str
    value: float | str | None = None
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table; every one can be sorted by its columns.

    Attributes:
        title, note: above it.
        columns: head, unit in brackets.
        rows: cells, the first of each row is its name.
        long: folded behind its title on the page.
    """

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    note: str = ""
    long: bool = False


@dataclass(frozen=True)
class Plot:
    """A figure: title, SVG text, and a sentence on how to read it."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """The pictures of one scene or frame."""

    title: str
    note: str
    tiles: list[Tile]


@dataclass(frozen=True)
class Page:
    """All of a report.

    Attributes:
        title, subtitle: heading and the line below it.
        partial: why the report is not complete; empty if it is.
        verdicts: the findings in a sentence each.
        tables, plots, strips: the body, in this order.
        definitions: term to meaning.
        facts: machine, versions, command.
        errors: the strips hold error pictures, which need their legend.
    """

    title: str
    subtitle: str
    partial: str = ""
    verdicts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    errors: bool = True


def number(value: float | None, digits: int = 2, *, best: float | None = None) -> Cell:
    """A number for a table; unknown is a dash. Equal to ``best`` after rounding, it is highlighted."""
    if value is None or not math.isfinite(value):
        return Cell("–")
    text = f"{value:.{digits}f}"
    return Cell(text, value, best is not None and text == f"{best:.{digits}f}")


def smallest(values: list[float | None]) -> float | None:
    """The best of several errors; None with fewer than two, where nothing is compared."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return min(known) if len(known) > 1 else None


def write_page(page: Page, path: Path) -> None:
    """Renders the page and replaces the file in one step.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingDependencyError("jinja2 is not installed: pip install jinja2 (reports need it)") from error
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["slug"] = lambda text: "".join(c if c.isalnum() else "-" for c in text.lower())
    html = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(page=page, legend=error_legend())
    replace_text(path, html)

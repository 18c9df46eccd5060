"""Pages of figures as Markdown: how they were measured, on what, and the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are text already."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, ("---",) * len(columns), *rows))


def page(method: str, facts: Mapping[str, str], figures: str) -> str:
    """A benchmark's page.

    Args:
        method: title and method, ending with a line break.
        facts: of the machine and the run.
        figures: what was measured, tables and all, without its first heading.
    """
    described = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return f"{method}\n## Machine\n\n{described}\n\n## Figures\n\n{figures}\n"

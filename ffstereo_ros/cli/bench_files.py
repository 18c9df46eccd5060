"""Where a benchmark's figures go."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_figure_files(parser: argparse.ArgumentParser) -> None:
    """Declares ``--json`` and ``--report``."""
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the figures go as Markdown, with the method")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as JSON")


def write_figures(args: argparse.Namespace, figures: object, page: str) -> None:
    """Writes those of the two that were asked for; ``page`` is Markdown."""
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.report is not None:
        args.report.write_text(page, encoding="utf-8")

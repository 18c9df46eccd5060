"""Where a benchmark's figures go."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from ffstereo_ros.errors import InputFileError


def add_figure_files(parser: argparse.ArgumentParser) -> None:
    """Declares ``--json`` and ``--report``."""
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the figures go as Markdown, with the method")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as JSON")


def check_figure_files(args: argparse.Namespace) -> None:
    """Asked before anything is measured, which may take half an hour.

    Raises:
        InputFileError: ``--json`` or ``--report`` is a folder, in none, or may not be written.
    """
    for option, path in (("--json", args.json), ("--report", args.report)):
        if path is None:
            continue
        if path.is_dir():
            raise InputFileError(f"{option} {path}: is a folder; name a file in it")
        if not path.parent.is_dir():
            raise InputFileError(f"{option} {path}: there is no folder {path.parent}; make it, or name another")
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK):
            raise InputFileError(f"{option} {path}: {place} cannot be written; choose a place of your own")


def write_figures(args: argparse.Namespace, figures: object, page: str) -> None:
    """Writes those of the two that were asked for; ``page`` is Markdown."""
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.report is not None:
        args.report.write_text(page, encoding="utf-8")

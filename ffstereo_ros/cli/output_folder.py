"""The folder a command writes its results into: made, tried, and never with results in it that would be lost."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ffstereo_ros.errors import InputFileError


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """``--output DIR`` and ``--force``."""
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--force", action="store_true", help="replace results that are already in the folder")


def refuse_loss(folder: Path, names: tuple[str, ...], *, force: bool) -> None:
    """Makes nothing.

    Raises:
        InputFileError: the folder holds results of these names, and ``force`` is not given.
    """
    present = [name for name in names if (folder / name).exists()]
    if present and not force:
        raise InputFileError(f"{folder} already holds {', '.join(present)}: choose another folder or add --force")


def claim(folder: Path, names: tuple[str, ...], *, force: bool) -> Path:
    """Makes the folder for results of these names, if it is not there.

    Raises:
        InputFileError: it holds one of them, and ``force`` is not given; or it cannot be made or written to.
    """
    refuse_loss(folder, names, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputFileError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from error
    return folder

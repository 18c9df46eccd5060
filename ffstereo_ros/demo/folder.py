"""The folder that the demo writes: it replaces its own files of an earlier run, and nobody else's."""

from __future__ import annotations

import shutil
from pathlib import Path

from ffstereo_ros.errors import InputFileError

_MARKER = ".made_by_ffstereo_demo"
_NAMES = ("demo.png", "demo_without_photo.png", "cloud.ply", "scores.json", "bag", "logs")


def claim(folder: Path) -> Path:
    """Makes the folder, or empties it of what an earlier demo wrote; returns its folder for logs.

    Raises:
        InputFileError: it holds files that no demo wrote, or cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
            raise InputFileError(
                f"{folder} exists and was not made by the demo: nothing is overwritten; "
                "move it away or choose another folder with --output"
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text("The demo replaces its own files in this folder.\n", encoding="utf-8")
        for name in _NAMES:
            _remove(folder / name)
        logs = folder / "logs"
        logs.mkdir()
    except OSError as error:
        raise InputFileError(f"{folder}: cannot be written: {error}") from error
    return logs


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

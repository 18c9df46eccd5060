"""Where weights files lie: beside this file (shipped) and in the user's cache; found by name, tensors unread."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from ffstereo_ros.errors import CacheError, FFStereoError, WeightsError
from ffstereo_ros.user_cache import user_cache

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class WeightsFile:
    """One weights file by its name; `place` is `shipped` or `cache`."""

    name: str
    path: Path
    place: str


def cache_dir() -> Path:
    """`weights` in the user's cache.

    Raises:
        CacheError: there is no such place.
    """
    return user_cache() / "weights"


def known_weights() -> dict[str, WeightsFile]:
    """Every weights file that is here, by name; a shipped one wins over one of the same name in the cache.

    Of a cache that cannot be read nothing is known; `cache_trouble` says why.
    """
    cached: list[Path] = []
    with contextlib.suppress(CacheError):
        cached = _files_in(cache_dir())
    places = (("cache", cached), ("shipped", _files_in(Path(__file__).parent)))
    return {path.stem: WeightsFile(path.stem, path, place) for place, paths in places for path in paths}


def cache_trouble() -> str:
    """Why the cache cannot be read; empty where it can, or is not there yet."""
    try:
        _files_in(cache_dir())
    except CacheError as error:
        return str(error)
    return ""


def _files_in(folder: Path) -> list[Path]:
    """Weights files by name, none where the folder is not there; those that are being written begin with a dot."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CacheError(
            f"cache folder {folder} cannot be read ({error.strerror or error}); "
            "free it or set FFSTEREO_CACHE to a folder of your own"
        ) from error
    return [folder / name for name in names if name.endswith(SUFFIX) and not name.startswith(".")]


def describe(file: WeightsFile) -> str:
    """One line about a weights file: name, place, size, largest disparity, licence; or what is wrong with it."""
    try:
        size = f"{file.path.stat().st_size / 1e6:.1f} MB"
    except OSError as error:  # a link whose file is gone
        return f"{file.name}  ({file.place})  unusable: {file.path}: {error.strerror or error}"
    start = f"{file.name}  ({file.place}, {size})"
    try:
        from ffstereo_ros.network.checkpoint.metadata import read_metadata

        metadata, config = read_metadata(file.path)
    except ImportError as error:
        return f"{start}  not read: {error}"
    except FFStereoError as error:
        return f"{start}  unusable: {error}"
    return f"{start}  up to {config.max_disparity} px, licence: {metadata.licence}"


def claim_cache() -> Path:
    """The cache folder, made and proven writable before anything is fetched into it.

    Raises:
        CacheError: there is no such place.
        WeightsError: it cannot be written; the message names the variable that chooses another.
    """
    folder = cache_dir()
    probe = folder / f".writable.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WeightsError(
            f"cache folder {folder} cannot be written ({error.strerror or error}); "
            "free it or set FFSTEREO_CACHE to a writable folder"
        ) from error
    return folder

"""Where weights files lie: beside this file (shipped) and in the user's cache; found by name, tensors unread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ffstereo_ros.errors import FFStereoError, WeightsError

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class WeightsFile:
    """One weights file by its name; `place` is `shipped` or `cache`."""

    name: str
    path: Path
    place: str


def cache_dir() -> Path:
    """`weights` in $FFSTEREO_CACHE, else in $XDG_CACHE_HOME/ffstereo, else in ~/.cache/ffstereo."""
    if own := os.environ.get("FFSTEREO_CACHE"):
        return Path(own).expanduser() / "weights"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ffstereo" / "weights"


def known_weights() -> dict[str, WeightsFile]:
    """Every weights file that is here, by name; a shipped one wins over one of the same name in the cache."""
    places = (("cache", cache_dir()), ("shipped", Path(__file__).parent))
    return {
        path.stem: WeightsFile(path.stem, path, place)
        for place, folder in places
        for path in sorted(folder.glob(f"*{SUFFIX}"))
        if not path.name.startswith(".")
    }


def describe(file: WeightsFile) -> str:
    """One line about a weights file: name, place, size, largest disparity, licence; or what is wrong with it."""
    size = f"{file.path.stat().st_size / 1e6:.1f} MB"
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

    Raises WeightsError naming the folder and the variable that chooses another.
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

"""Where this package keeps files of its own for a user: weights, engines, compiled kernels."""

from __future__ import annotations

import os
from pathlib import Path

from ffstereo_ros.errors import CacheError


def user_cache() -> Path:
    """$FFSTEREO_CACHE, else `ffstereo` in $XDG_CACHE_HOME, else in ~/.cache.

    Raises:
        CacheError: none is set and the user has no home folder, as in a container that runs under a bare number.
    """
    try:
        if own := os.environ.get("FFSTEREO_CACHE"):
            return Path(own).expanduser()
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "ffstereo"
    except RuntimeError as error:  # pathlib's, where neither HOME nor the user's entry is there
        raise CacheError(
            "this user has no home folder, so there is no cache: set HOME, or FFSTEREO_CACHE to a writable folder"
        ) from error

"""The optional packages that reading and writing weights needs."""

from __future__ import annotations

import importlib.util

from ffstereo_ros.errors import MissingDependencyError


def require_converter() -> None:
    """Raise MissingDependencyError unless torch and safetensors can be imported."""
    missing = [name for name in ("torch", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        raise MissingDependencyError(
            f"{names} not installed: pip install {' '.join(missing)}, or convert on another machine and copy the file"
        )

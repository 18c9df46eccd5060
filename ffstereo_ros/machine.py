"""The machine that figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from ffstereo_ros import __version__


def machine(packages: Sequence[str] = ("numpy", "opencv", "torch", "tensorrt")) -> dict[str, str]:
    """Date, processor, cores, memory, GPU, system, and the versions of Python and of ``packages``."""
    facts = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "ffstereo_ros": __version__,
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in packages},
        # Well above the number of this program's own threads, the times were disturbed.
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    gpu = _gpu()
    return {**facts, "gpu": gpu} if gpu else facts


def _version(package: str) -> str:
    try:
        if package == "opencv":  # distributions of several names have it, and the system's package is none
            import cv2

            return str(cv2.__version__)
        return importlib.metadata.version(package)
    except ImportError:  # PackageNotFoundError is one
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or "unknown"


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"


def _gpu() -> str:
    """Name of the first CUDA device, empty without one; torch is asked only if something else imported it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    return str(torch.cuda.get_device_name(0))

"""Time per frame, kept in a histogram of fixed size, and the machine it was measured on."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ffstereo_ros import __version__

# Bins 2 % apart between 0.1 ms and 1000 s: any percentile is within 1 %, however many frames are added.
_LOWEST, _RATIO = 1e-4, 1.02
_BINS = math.ceil(math.log(1e3 / _LOWEST) / math.log(_RATIO))


@dataclass
class LatencyHistogram:
    """Durations in s; memory does not grow with their number.

    Attributes:
        counts: ``[bins]`` durations by logarithmic bin.
        total: their sum, s.
        longest: the largest, s.
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, dtype=np.int64))
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration."""
        index = int(math.log(max(seconds, _LOWEST) / _LOWEST) / math.log(_RATIO))
        self.counts[min(index, _BINS - 1)] += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    @property
    def frames(self) -> int:
        """How many were added."""
        return int(self.counts.sum())

    def percentile(self, share: float) -> float:
        """The duration in s that ``share`` per cent of the frames do not exceed, within 1 %; NaN without frames."""
        if not self.frames:
            return float("nan")
        reached = np.searchsorted(np.cumsum(self.counts), math.ceil(self.frames * share / 100.0))
        return min(float(_LOWEST * _RATIO ** (int(reached) + 0.5)), self.longest)

    def as_dict(self) -> dict[str, float]:
        """frames, and mean, p50, p95 and max in ms."""
        milliseconds = {
            "mean_ms": self.total / self.frames if self.frames else float("nan"),
            "p50_ms": self.percentile(50),
            "p95_ms": self.percentile(95),
            "max_ms": self.longest,
        }
        return {"frames": self.frames, **{name: round(1000 * value, 3) for name, value in milliseconds.items()}}

    def bars(self, wanted: int = 40) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Edges ``[n + 1]`` in ms and counts ``[n]`` over the occupied range, at most about ``wanted`` bars."""
        occupied = np.flatnonzero(self.counts)
        if occupied.size == 0:
            return np.array([0.0, 1.0]), np.array([0])
        low, high = int(occupied[0]), int(occupied[-1]) + 1
        width = max(1, -(-(high - low) // wanted))
        starts = np.arange(low, high, width)
        edges = 1000 * _LOWEST * _RATIO ** np.append(starts, starts[-1] + width).astype(np.float64)
        return edges, np.add.reduceat(self.counts[:high], starts)


def machine() -> dict[str, str]:
    """What the figures were measured on: processor, cores, memory, GPU, system and versions."""
    facts = {
        "ffstereo_ros": __version__,
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "torch", "tensorrt")},
        "opencv": cv2.__version__,
        # Well above the number of this program's own threads, the times were disturbed.
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    gpu = _gpu()
    return {**facts, "gpu": gpu} if gpu else facts


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
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

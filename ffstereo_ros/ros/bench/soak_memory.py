"""The memory of a process, and whether it grew in the course of the soak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

# The first minute is for what is allocated once.
WARM_S = 60.0


def private_memory(pid: int) -> float:
    """Resident memory of a process that is not shared with others, MB; NaN where there is no /proc or no process.

    What Fast DDS maps of its participants' shared memory comes and goes with them, and is theirs.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return math.nan
    amounts = {name: amount for name, _, amount in (line.partition(":") for line in lines)}
    return float(amounts["RssAnon"].split()[0]) / 1024 if "RssAnon" in amounts else math.nan


def peaks(samples: Sequence[tuple[float, float]]) -> list[float]:
    """The largest of the samples ``(when, MB)`` in each half of the time after the first minute; none in less time."""
    late = [each for each in samples if each[0] >= _warm_at(samples)]
    if len(late) < 2:
        return []
    middle = (late[0][0] + late[-1][0]) / 2
    halves = ([amount for when, amount in late if (when > middle) is second] for second in (False, True))
    return [max(half) for half in halves]


def weighed(samples: Sequence[tuple[float, float]], moments: Sequence[tuple[float, float]]) -> list[float]:
    """The median of the samples in each of the moments ``(from, to)`` after the first minute."""
    late = [(start, end) for start, end in moments if samples and start >= _warm_at(samples)]
    parts = [[amount for when, amount in samples if start <= when <= end] for start, end in late]
    return [median(part) for part in parts if part]


def growth(amounts: Sequence[float]) -> float:
    """By how much the largest that came later exceeds the first, 0.05 = 5 %; NaN where nothing came later."""
    return max(amounts[1:]) / amounts[0] - 1.0 if len(amounts) > 1 else math.nan


def _warm_at(samples: Sequence[tuple[float, float]]) -> float:
    return samples[0][0] + WARM_S

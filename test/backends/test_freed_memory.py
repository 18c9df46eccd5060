"""Memory kept between frames: a process that asked for it fetches the pages of a large array once."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from ffstereo_ros.backends.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = []
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(1 << 23)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults[1:]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc: others have no such setting")
def test_pages_are_fetched_once() -> None:
    """64 MB are 16384 pages of 4 kB, or a few large ones where the kernel gives those.

    Of several rounds the best counts: a kernel that is short of memory takes pages away in any of them.
    """
    command = [sys.executable, "-c", PROGRAM]
    runs = {way: subprocess.run([*command, way], capture_output=True, text=True) for way in ("keep", "as it was")}
    assert [run.stderr for run in runs.values()] == ["", ""]
    faults = {way: int(run.stdout) for way, run in runs.items()}
    assert faults["keep"] <= 2 < faults["as it was"]


GIVE_BACK = """
from pathlib import Path
import numpy as np
from ffstereo_ros.backends.freed_memory import give_back_freed_memory, keep_freed_memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
keep_freed_memory()
arrays = [np.ones(1 << 20) for _ in range(12)]
pinned = bytearray(4096)  # above them: the heap cannot simply shrink
del arrays
before = resident()
assert give_back_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc: others have no such setting")
def test_kept_memory_is_given_back() -> None:
    run = subprocess.run([sys.executable, "-c", GIVE_BACK], capture_output=True, text=True)
    assert run.stderr == ""
    assert float(run.stdout) > 80  # of 96 MB

"""Root may read and write everything, which hides what happens to everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534


@contextmanager
def not_root() -> Iterator[None]:
    """For its length the test is nobody, if it was root; what it imports has to be imported before."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)

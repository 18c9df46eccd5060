"""What the process does with freed memory: by default that of large tensors goes back to the kernel, page by page."""

from __future__ import annotations

import ctypes

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory for the next frame; whether it can (glibc).

    A frame at 480x640 px allocates some 50 tensors of 50 MB: fetching their pages anew each time took 8 % of it, and of
    the time to publish its messages more than half. The setting is the process's: its memory stays at the largest
    frame's until it ends or gives it back.
    """
    # One arena: those of other threads are heaps of 64 MB, which go back to the kernel whatever the threshold says.
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _NEVER, _M_ARENA_MAX: 1}
    return all(_call("mallopt", name, value) for name, value in settings.items())


def give_back_freed_memory() -> bool:
    """Return what is free to the kernel, wherever it lies; whether the C library can (glibc).

    For the end of a use: what comes next fetches its pages anew. A process that keeps its memory otherwise ends up with
    the most that any frame ever needed, and the holes between.
    """
    return _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> bool:
    """What a function of the C library answers; False where the library has none of that name."""
    try:
        return bool(getattr(ctypes.CDLL(None), name)(*arguments))
    except (AttributeError, OSError, TypeError):
        return False

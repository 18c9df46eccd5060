"""What a worker process raised, told in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ffstereo_ros.errors import FFStereoError

_T = TypeVar("_T")
_TRACEBACK = "Original Traceback"  # PyTorch sends a worker's whole traceback as the message


def told_in_one_line(batches: Iterable[_T]) -> Iterator[_T]:
    """The same batches; what a `DataLoader` worker raised is told by its last line.

    Raises:
        FFStereoError: a worker failed; a refusal of ours keeps its class.
    """
    try:
        yield from batches
    except Exception as error:
        if _TRACEBACK not in str(error):
            raise
        last = str(error).rstrip().rsplit("\n", 1)[-1].strip()
        if isinstance(error, FFStereoError):
            raise type(error)(last.partition(": ")[2]) from error  # without the name of its class
        raise FFStereoError(f"a worker that makes batches failed: {last}") from error

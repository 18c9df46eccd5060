"""Results are in their place whole, or not at all: written beside it under another name, then renamed."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.errors import InputFileError


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system in here become a refusal that names ``path``; those of writing alone do not name it.

    Raises:
        InputFileError: the disk is full, or another reason of the system's.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        remedy = "free space there or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise InputFileError(f"{path}: cannot be written ({reason}); {remedy}choose another folder") from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes to, called ``path`` once it is whole; however that fails, what was there before stays.

    Raises:
        InputFileError: it cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    with naming(path):
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Writes a ``.npy`` file.

    Raises:
        InputFileError: it cannot be written.
    """
    # In memory first: on a full disk NumPy tells numbers of elements, and not the system's reason.
    encoded = io.BytesIO()
    np.save(encoded, array)
    with whole_file(path) as file:
        file.write(encoded.getbuffer())

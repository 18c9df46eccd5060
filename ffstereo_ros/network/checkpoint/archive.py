"""The container of a PyTorch checkpoint: a zip with one root folder that holds `data.pkl` and `data/<key>`."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.pickle_reader import read_pickle
from ffstereo_ros.network.checkpoint.records import TensorRecord, printable

T = TypeVar("T")

# The largest network unpacks to 80 MB with a pickle of 0.25 MB; the limits stop files made to exhaust the memory.
MAX_BYTES = 512 << 20
MAX_PICKLE_BYTES = 2 << 20
MAX_ENTRIES = 20_000
_CHUNK = 1 << 20
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    ValueError,
    OverflowError,
    OSError,
    EOFError,
    LookupError,
)


class CheckpointArchive:
    """An open checkpoint file: its object as inert records, and the tensors those records name.

    Raises WeightsError for a missing, damaged, oversized or foreign file; the caller adds the file's name.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise WeightsError("no such file; give the path of a .pth checkpoint")
        self._zip = _reading(lambda: _open(path))
        self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        self._root = _reading(self._find_root)
        self._spent = 0

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def __enter__(self) -> CheckpointArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self) -> Any:
        """The pickled object, as records (see `pickle_reader`)."""
        return read_pickle(bytes(_reading(lambda: self._unpack(self._entries[f"{self._root}data.pkl"]))))

    def tensor(self, record: TensorRecord, name: str) -> Tensor:
        """The numbers of a tensor record, copied; floats of every width become float32, integers stay.

        Raises WeightsError naming the tensor when its storage is missing, of another size, or all are too large.
        """
        dtype: torch.dtype = getattr(torch, record.dtype)
        size = record.storage.count * dtype.itemsize
        entry = f"{self._root}data/{record.storage.key}"
        info = self._entries.get(entry)
        if info is None or info.file_size != size:
            found = "is missing" if info is None else f"has {info.file_size} bytes, expected {size}"
            raise WeightsError(f"storage of tensor {printable(name)} {found}; download the file again")
        self._spent += max(size, 4 * record.storage.count) if dtype.is_floating_point else size
        if self._spent > MAX_BYTES:
            raise WeightsError(
                f"its tensors up to {printable(name)} unpack to more than the {MAX_BYTES >> 20} MiB allowed; "
                "this is no checkpoint of this network"
            )
        return _reading(lambda: self._view(info, record, dtype))

    def _view(self, info: zipfile.ZipInfo, record: TensorRecord, dtype: torch.dtype) -> Tensor:
        loaded = torch.float32 if dtype.is_floating_point else dtype
        if not info.file_size:
            return torch.empty(record.shape, dtype=loaded)
        view = torch.frombuffer(self._unpack(info), dtype=dtype)
        view = view.as_strided(record.shape, record.stride, record.offset)
        return view.to(loaded, copy=True)

    def _unpack(self, info: zipfile.ZipInfo) -> bytearray:
        """An entry of exactly the size it states: `ZipFile.read` would unpack all there is before it looks."""
        data = bytearray(info.file_size)
        with self._zip.open(info) as file:
            done = 0
            while done < len(data):
                chunk = file.read(min(_CHUNK, len(data) - done))
                if not chunk:
                    raise EOFError(f"an entry of {len(data)} bytes ends after {done}")
                data[done : done + len(chunk)] = chunk
                done += len(chunk)
        return data

    def _find_root(self) -> str:
        entries = list(self._entries.values())
        total = sum(entry.file_size for entry in entries)
        if len(entries) > MAX_ENTRIES or total > MAX_BYTES:
            raise WeightsError(
                f"unpacks to {len(entries)} entries of {total / 2**20:.0f} MiB, allowed are {MAX_ENTRIES} and "
                f"{MAX_BYTES >> 20} MiB; this is no checkpoint of this network"
            )
        pickles = [e for e in entries if e.filename.rpartition("/")[2] == "data.pkl" and e.filename.count("/") <= 1]
        if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE_BYTES:
            raise WeightsError("is a zip file without exactly one small data.pkl, so not written by torch.save")
        root = pickles[0].filename.removesuffix("data.pkl")
        if any(entry.compress_type not in _COMPRESSIONS or entry.flag_bits & 1 for entry in entries):
            raise WeightsError("is an encrypted or unusually compressed zip file, so not written by torch.save")
        order = self._entries.get(f"{root}byteorder")
        if order is not None and (order.file_size > 16 or self._unpack(order).strip() != b"little"):
            raise WeightsError("was saved on a big-endian machine; save it again on a little-endian one")
        return root


def _open(path: Path) -> zipfile.ZipFile:
    """The zip file, or a WeightsError that says what the file is instead."""
    if zipfile.is_zipfile(path):
        return zipfile.ZipFile(path)
    with path.open("rb") as file:
        head = file.read(MAX_PICKLE_BYTES)
    if head.startswith(b"PK\x03\x04"):
        raise WeightsError("its zip directory is missing, the file is cut short; download it again")
    if head[8:9] == b"{":
        raise WeightsError("is a safetensors file, not a pickled checkpoint; use it as it is if this package wrote it")
    _name_what_a_bare_pickle_wants(head)
    hint = (
        "a bare pickle; save it with PyTorch 1.6 or newer" if head.startswith(b"\x80") else f"begins with {head[:4]!r}"
    )
    raise WeightsError(f"is not a zip file as torch.save writes ({hint})")


def _name_what_a_bare_pickle_wants(head: bytes) -> None:
    """Look into a file that may be a pickle outside a zip, so that the refusal can name a class it should not name."""
    try:
        read_pickle(head)
    except WeightsError as error:
        if "refused" in str(error):
            raise


def _reading(action: Callable[[], T]) -> T:
    """Run a step of reading, turning what the zip library raises on damage into one line."""
    try:
        return action()
    except _DAMAGE as error:
        raise WeightsError(f"the file is damaged or cut short ({printable(error, 80)}); download it again") from error

"""What the values in a pickle become: names, keys, storages, tensors and containers, each checked when it is made."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterable
from typing import Any

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.allow_list import STORAGE_DTYPES, is_allowed
from ffstereo_ros.network.checkpoint.records import ClassReference, StorageRecord, TensorRecord, printable

_KEY_TYPES = (str, int, float, bool, bytes, type(None))
_MAX_KEY_BITS = 60
_MAX_PATH = 256  # characters of `module.name`; the longest in a released file has 69


def keys(values: Iterable[Any]) -> set[Any]:
    """A set of plain values: hashing anything else (a deep tuple) could exhaust the interpreter's own stack.

    Large numbers are refused: those that differ by multiples of 2**61 - 1 have one hash, and a dict of them never ends.
    """
    found = list(values)
    if not all(isinstance(v, _KEY_TYPES) for v in found):
        raise TypeError("a key is not a plain value")
    if any(isinstance(v, int) and v.bit_length() > _MAX_KEY_BITS for v in found):
        raise ValueError(f"a key is a number of more than {_MAX_KEY_BITS} bits")
    return set(found)


def pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError("odd number of dict items")
    keys(values[::2])
    return dict(zip(values[::2], values[1::2]))


def reference(module: Any, name: Any) -> ClassReference:
    """A name, by its Python 3 spelling (pickles of protocol 2 name `__builtin__`), if it is on the allow-list."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a class without a name")
    if len(module) + len(name) > _MAX_PATH:  # put together anew each time, it would fill the memory
        raise WeightsError(
            f"it names a class of {len(module) + len(name)} characters ({printable(module, 40)}), allowed are "
            f"{_MAX_PATH}; it may be malicious, get the file from its publisher; refused"
        )
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    path = f"{module}.{name}"
    if not is_allowed(module, name):
        hint = (
            "only the EdgeNeXt feature network is supported"
            if path.startswith("timm.models.")
            else "it may be malicious; get the file from its publisher"
        )
        raise WeightsError(f"it names {printable(path)}, which no checkpoint of this network needs ({hint}); refused")
    return ClassReference(path)


def storage(identifier: Any) -> StorageRecord:
    """`('storage', class, key, location, element count)` as torch writes it; the location is ignored."""
    if not isinstance(identifier, tuple) or len(identifier) != 5 or identifier[0] != "storage":
        raise TypeError("a persistent id that is not a storage")
    _, kind, key, _, count = identifier
    if not isinstance(kind, ClassReference) or kind.name not in STORAGE_DTYPES:
        raise TypeError("a storage of unknown type")
    if not isinstance(key, str) or not _is_count(count):
        raise TypeError("a storage without key or size")
    return StorageRecord(key, STORAGE_DTYPES[kind.name], count)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRecord:
    """`_rebuild_tensor_v2`: a view that must lie inside its storage and hold no element twice."""
    if not isinstance(storage, StorageRecord) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise TypeError("a tensor without storage, shape or stride")
    if len(shape) != len(stride) or len(shape) > 8 or not all(map(_is_count, (offset, *shape, *stride))):
        raise TypeError("a tensor with impossible shape or stride")
    elements = 1
    for extent in shape:
        elements *= extent
    last = offset + sum((extent - 1) * step for extent, step in zip(shape, stride)) if elements else offset - 1
    if last >= storage.count or elements > storage.count:
        raise WeightsError(
            f"a tensor of shape {list(shape)} reaches past its storage of {storage.count} elements; the file is damaged"
        )
    return TensorRecord(storage, storage.dtype, offset, shape, stride)


def _parameter(data: Any, *_: Any) -> TensorRecord:
    if not isinstance(data, TensorRecord):
        raise TypeError("a parameter that is not a tensor")
    return data


def _mapping(*arguments: Any) -> dict[Any, Any]:
    """`OrderedDict()`, `OrderedDict([(k, v), ...])`, `defaultdict(type)`, `dict()`."""
    items = arguments[-1] if arguments and isinstance(arguments[-1], list | tuple) else []
    flat = [value for pair in items for value in _two(pair)]
    return pairs(flat)


def _two(pair: Any) -> tuple[Any, Any]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise TypeError("a dict item that is not a pair")
    return pair[0], pair[1]


def _sequence(arguments: tuple[Any, ...]) -> list[Any]:
    if len(arguments) > 1 or not all(isinstance(a, list | tuple | set) for a in arguments):
        raise TypeError("a container made of something else")
    return list(arguments[0]) if arguments else []


CALLS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_parameter": _parameter,
    "OrderedDict": _mapping,
    "defaultdict": _mapping,
    "dict": _mapping,
    "set": lambda *arguments: keys(_sequence(arguments)),
    "frozenset": lambda *arguments: keys(_sequence(arguments)),
    "list": lambda *arguments: _sequence(arguments),
    "tuple": lambda *arguments: tuple(_sequence(arguments)),
    "Size": lambda *arguments: tuple(_sequence(arguments)),
}

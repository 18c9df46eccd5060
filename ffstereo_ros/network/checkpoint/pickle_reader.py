"""A pickle read without running it: the standard library splits it into opcodes, and this file interprets them.

Nothing is imported, no constructor is called and no attribute of a live object is touched: names become
`ClassReference`, objects become `Record`, tensors become `TensorRecord`. An opcode or a name outside the allow-list is
refused by its name.
"""

from __future__ import annotations

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterable
from typing import Any

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.allow_list import STORAGE_DTYPES, is_allowed
from ffstereo_ros.network.checkpoint.records import ClassReference, Record, StorageRecord, TensorRecord, printable

_LITERAL_OPCODES = """
INT LONG LONG1 LONG4 BININT BININT1 BININT2 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8
"""
_LITERALS = frozenset(_LITERAL_OPCODES.split())
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_KEY_TYPES = (str, int, float, bool, bytes, type(None))
_MARK = object()


def read_pickle(data: bytes) -> Any:
    """The object a pickle describes, as records, lists, dicts, tuples, sets and plain values.

    Raises WeightsError, naming what was found, for anything outside the allow-list and for a damaged pickle.
    """
    try:
        return _Interpreter().run(data)
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise WeightsError(
            f"its pickle is damaged or cut short ({printable(error, 80)}); download the file again"
        ) from error


class _Interpreter:
    """The stack machine of pickle, protocols 0 to 5, with names and calls turned into records."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.actions: dict[str, Callable[[], None]] = {
            "MARK": lambda: self.stack.append(_MARK),
            "POP": self._pop_top,
            "POP_MARK": lambda: self._discard(self._since_mark()),
            "DUP": lambda: self.stack.append(self.stack[-1]),
            "MEMOIZE": lambda: self._remember(len(self.memo)),
            "EMPTY_TUPLE": lambda: self.stack.append(()),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "EMPTY_SET": lambda: self.stack.append(set()),
            "TUPLE": lambda: self.stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda: self.stack.append(self._last(1)),
            "TUPLE2": lambda: self.stack.append(self._last(2)),
            "TUPLE3": lambda: self.stack.append(self._last(3)),
            "LIST": lambda: self.stack.append(self._since_mark()),
            "DICT": lambda: self.stack.append(_pairs(self._since_mark())),
            "FROZENSET": lambda: self.stack.append(_keys(self._since_mark())),
            "APPEND": lambda: self._extend(list(self._last(1))),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "SETITEM": lambda: self._set_items(list(self._last(2))),
            "SETITEMS": lambda: self._set_items(self._since_mark()),
            "ADDITEMS": lambda: self._add_items(self._since_mark()),
            "STACK_GLOBAL": lambda: self.stack.append(_reference(*self._last(2))),
            "NEWOBJ": lambda: self.stack.append(_construct(*self._last(2))),
            "NEWOBJ_EX": self._construct_with_keywords,
            "REDUCE": lambda: self.stack.append(_call(*self._last(2))),
            "BUILD": lambda: self._build(self._last(1)[0]),
            "BINPERSID": lambda: self.stack.append(_storage(self._last(1)[0])),
        }

    def run(self, data: bytes) -> Any:
        """Interpret every opcode up to STOP; the value left on the stack."""
        argument: Any  # of the type the opcode has
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in self.actions:
                self.actions[name]()
            elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
                self._remember(argument)
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                self._recall(argument)
            elif name in ("GLOBAL", "INST"):
                self.stack.append(_reference(*argument.split(" ", 1)))
            elif name == "STOP":
                return self._last(1)[0]
            elif name not in ("PROTO", "FRAME"):
                raise WeightsError(f"its pickle uses the opcode {name}, which torch.save never writes; refused")
        raise ValueError("no STOP")

    def _last(self, count: int) -> tuple[Any, ...]:
        """Pop the last `count` values."""
        values = tuple(self.stack[-count:])
        if len(values) < count or any(v is _MARK for v in values):
            raise ValueError("stack underflow")
        del self.stack[-count:]
        return values

    def _since_mark(self) -> list[Any]:
        """Pop everything above the last mark, and the mark."""
        values: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _pop_top(self) -> None:
        self.stack.pop()

    def _discard(self, values: list[Any]) -> None:
        del values

    def _remember(self, index: int) -> None:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark cannot be remembered")
        self.memo[index] = self.stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"entry {index} was never remembered")
        self.stack.append(self.memo[index])

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("append to something not a list")
        self.stack[-1].extend(values)

    def _set_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("item set on something not a dict")
        self.stack[-1].update(_pairs(values))

    def _add_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], set):
            raise TypeError("item added to something not a set")
        self.stack[-1].update(_keys(values))

    def _construct_with_keywords(self) -> None:
        reference, arguments, keywords = self._last(3)
        record = _construct(reference, arguments)
        record.state.update(_checked_dict(keywords))
        self.stack.append(record)

    def _build(self, state: Any) -> None:
        """Give the record on the stack its state: a dict, or (dict or None, dict of slots)."""
        target = self.stack[-1]
        parts = state if isinstance(state, tuple) else (state,)
        if isinstance(target, Record):
            for part in parts:
                target.state.update(_checked_dict(part) if part is not None else {})
        elif not isinstance(target, dict):  # a dict's attributes (state_dict's _metadata) are not needed
            raise TypeError("state for something not an object")


def _checked_dict(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError("state is not a dict")
    return value


def _keys(values: Iterable[Any]) -> set[Any]:
    """A set of plain values: hashing anything else (a deep tuple) could exhaust the interpreter's own stack."""
    found = list(values)
    if not all(isinstance(v, _KEY_TYPES) for v in found):
        raise TypeError("a key is not a plain value")
    return set(found)


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError("odd number of dict items")
    _keys(values[::2])
    return dict(zip(values[::2], values[1::2]))


def _reference(module: Any, name: Any) -> ClassReference:
    """A name, by its Python 3 spelling (pickles of protocol 2 name `__builtin__`), if it is on the allow-list."""
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a class without a name")
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


def _construct(reference: Any, arguments: Any) -> Record:
    if not isinstance(reference, ClassReference) or not isinstance(arguments, tuple):
        raise TypeError("an object without a class")
    return Record(reference.path, arguments)


def _call(function: Any, arguments: Any) -> Any:
    """What REDUCE leaves: plain containers and tensors are understood, every other call stays a record of itself."""
    record = _construct(function, arguments)
    known = _CALLS.get(record.name)
    return record if known is None else known(*arguments)


def _storage(identifier: Any) -> StorageRecord:
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
    pairs = arguments[-1] if arguments and isinstance(arguments[-1], list | tuple) else []
    flat = [value for pair in pairs for value in _two(pair)]
    return _pairs(flat)


def _two(pair: Any) -> tuple[Any, Any]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise TypeError("a dict item that is not a pair")
    return pair[0], pair[1]


def _sequence(arguments: tuple[Any, ...]) -> list[Any]:
    if len(arguments) > 1 or not all(isinstance(a, list | tuple | set) for a in arguments):
        raise TypeError("a container made of something else")
    return list(arguments[0]) if arguments else []


_CALLS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor_v2": _tensor,
    "_rebuild_parameter": _parameter,
    "OrderedDict": _mapping,
    "defaultdict": _mapping,
    "dict": _mapping,
    "set": lambda *arguments: _keys(_sequence(arguments)),
    "frozenset": lambda *arguments: _keys(_sequence(arguments)),
    "list": lambda *arguments: _sequence(arguments),
    "tuple": lambda *arguments: tuple(_sequence(arguments)),
    "Size": lambda *arguments: tuple(_sequence(arguments)),
}

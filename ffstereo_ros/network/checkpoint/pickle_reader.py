"""A pickle read without running it: the standard library splits it into opcodes, and this file interprets them.

Nothing is imported, no constructor is called and no attribute of a live object is touched: names become
`ClassReference`, objects become `Record`, tensors become `TensorRecord`. An opcode or a name outside the allow-list is
refused by its name.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Sized
from typing import Any

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.pickle_values import CALLS, keys, pairs, reference, storage
from ffstereo_ros.network.checkpoint.records import ClassReference, Record, printable

_LITERAL_OPCODES = """
INT LONG LONG1 LONG4 BININT BININT1 BININT2 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8
"""
_LITERALS = frozenset(_LITERAL_OPCODES.split())
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_MARK = object()

# Elements put from one container into another over a whole file: the released networks copy 47,000. Without a limit, a
# kilobyte that has one list copied a thousand times fills the memory.
MAX_COPIED = 2_000_000
_MAX_ARGUMENTS = 8  # of a call that is understood; torch gives tensors 6 or 7
_MAX_MEMO = 1 << 32  # entry numbers torch can write


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
        self.copied = 0
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
            "DICT": lambda: self.stack.append(pairs(self._since_mark())),
            "FROZENSET": lambda: self.stack.append(keys(self._since_mark())),
            "APPEND": lambda: self._extend(list(self._last(1))),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "SETITEM": lambda: self._set_items(list(self._last(2))),
            "SETITEMS": lambda: self._set_items(self._since_mark()),
            "ADDITEMS": lambda: self._add_items(self._since_mark()),
            "STACK_GLOBAL": lambda: self.stack.append(reference(*self._last(2))),
            "NEWOBJ": lambda: self.stack.append(_construct(*self._last(2))),
            "NEWOBJ_EX": self._construct_with_keywords,
            "REDUCE": lambda: self.stack.append(self._call(*self._last(2))),
            "BUILD": lambda: self._build(self._last(1)[0]),
            "BINPERSID": lambda: self.stack.append(storage(self._last(1)[0])),
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
                self.stack.append(reference(*argument.split(" ", 1)))
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
        if not 0 <= index < _MAX_MEMO:
            raise ValueError("an entry is remembered under an impossible number")
        self.memo[index] = self.stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self.memo:
            raise ValueError(f"entry {index} was never remembered")
        self.stack.append(self.memo[index])

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("append to something not a list")
        self._count(values)
        self.stack[-1].extend(values)

    def _set_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("item set on something not a dict")
        self._count(values)
        self.stack[-1].update(pairs(values))

    def _add_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], set):
            raise TypeError("item added to something not a set")
        self._count(values)
        self.stack[-1].update(keys(values))

    def _construct_with_keywords(self) -> None:
        kind, arguments, keywords = self._last(3)
        record = _construct(kind, arguments)
        self._update_state(record, keywords)
        self.stack.append(record)

    def _build(self, state: Any) -> None:
        """Give the record on the stack its state: a dict, or (dict or None, dict of slots)."""
        target = self.stack[-1]
        parts = state if isinstance(state, tuple) else (state,)
        if isinstance(target, Record):
            if len(parts) > 2:
                raise TypeError("state of more than two parts")
            for part in parts:
                self._update_state(target, {} if part is None else part)
        elif not isinstance(target, dict):  # a dict's attributes (state_dict's _metadata) are not needed
            raise TypeError("state for something not an object")

    def _update_state(self, record: Record, part: Any) -> None:
        if not isinstance(part, dict):
            raise TypeError("state is not a dict")
        self._count(part)
        record.state.update(part)

    def _call(self, function: Any, arguments: Any) -> Any:
        """What REDUCE leaves: plain containers and tensors are understood, other calls stay records of themselves."""
        record = _construct(function, arguments)
        known = CALLS.get(record.name)
        if known is None:
            return record
        if len(arguments) > _MAX_ARGUMENTS:
            raise TypeError(f"a call with more than {_MAX_ARGUMENTS} arguments")
        self._count(*(a for a in arguments if isinstance(a, list | tuple | set | dict)))
        return known(*arguments)

    def _count(self, *containers: Sized) -> None:
        """Count the elements about to be copied: what the memo holds can be copied again at two bytes a time."""
        self.copied += sum(map(len, containers))
        if self.copied > MAX_COPIED:
            raise WeightsError(
                f"its pickle copies more than {MAX_COPIED} elements from list to list, no checkpoint of this network "
                "does; it may be malicious, get the file from its publisher; refused"
            )


def _construct(kind: Any, arguments: Any) -> Record:
    if not isinstance(kind, ClassReference) or not isinstance(arguments, tuple):
        raise TypeError("an object without a class")
    return Record(kind.path, arguments)

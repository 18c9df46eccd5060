"""What a pickle becomes here: inert records of classes, calls and tensors, none of which can act.

A record says which class the file names and which state it gives; nothing of that class is imported or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ffstereo_ros.errors import WeightsError

# Deeper or larger than any real network (the released one: depth 8, 700 modules, 1,500 members, names up to 19 long);
# stops cycles, exponential sharing, and names that grow with every level.
MAX_DEPTH = 32
MAX_MODULES = 20_000
MAX_MEMBERS = 50_000
MAX_NAME = 64
_MAX_BITS = 256  # of a number that is written out; Python refuses to write more than 4,300 digits
_MEMBERS = ("_modules", "_parameters", "_buffers")


def printable(value: object, limit: int = 120) -> str:
    """A value from an untrusted file, made safe to show: one line, no control characters, at most `limit` long.

    Plain values, short rows of them and exceptions are shown as they are, anything else by its type: written out, a
    small file's nested value may take all memory.
    """
    text = _plain(value)
    if text is None and isinstance(value, tuple | list) and len(value) <= 8:
        parts = [_plain(part) for part in value]
        shown = ", ".join(part for part in parts if part is not None)
        if None not in parts:
            text = f"[{shown}]" if isinstance(value, list) else f"({shown})"
    text = type(value).__name__ if text is None else text
    shown = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def _plain(value: object) -> str | None:
    """A string, number, truth value, None or exception as text; None for anything that may hold others."""
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return f"a number of {value.bit_length()} bits"
    return str(value) if value is None or isinstance(value, str | int | float | BaseException) else None


@dataclass(frozen=True)
class ClassReference:
    """A class or function named in the file (`module.name`). It is a name, not the thing."""

    path: str

    @property
    def name(self) -> str:
        """The last component, e.g. `BasicConv`."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class StorageRecord:
    """A block of numbers in the archive: entry `data/<key>`, `count` elements of torch type `dtype`."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class TensorRecord:
    """A view into a storage; offset, shape and stride in elements, checked against the storage when it is made."""

    storage: StorageRecord
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class Record:
    """An object of the file: class path, constructor arguments, and the state the file would give it."""

    path: str
    arguments: tuple[Any, ...] = ()
    state: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The class name without its module, e.g. `BasicConv`: the authors' modules have several aliases."""
        return self.path.rpartition(".")[2]

    def _members(self, kind: str) -> Mapping[Any, Any]:
        members = self.state.get(kind)
        return members if isinstance(members, dict) else {}

    def member_count(self) -> int:
        """How many sub-modules, parameters and buffers there are, empty places included."""
        return sum(len(self._members(kind)) for kind in _MEMBERS)

    def check_names(self) -> None:
        """Refuse members named otherwise than torch allows, or at great length."""
        for name in (name for kind in _MEMBERS for name in self._members(kind)):
            if not isinstance(name, str) or len(name) > MAX_NAME or "." in name:
                raise WeightsError(
                    f"{printable(self.name)} has a member named {printable(name, 40)}, expected up to {MAX_NAME} "
                    "characters without a dot; the file is damaged"
                )

    @property
    def children(self) -> dict[str, Record]:
        """Sub-modules in order; empty slots (None) are left out."""
        return {str(k): v for k, v in self._members("_modules").items() if isinstance(v, Record)}

    def child(self, name: str) -> Record | None:
        """The sub-module of that name; None where the slot is absent, a plain None, or None among the modules."""
        return self.children.get(name)

    def attribute(self, name: str, default: Any = None) -> Any:
        """A plain (non-tensor, non-module) attribute."""
        return self.state.get(name, default)

    def own_tensors(self) -> dict[str, TensorRecord]:
        """Parameters and persistent buffers of this module alone, in the order of torch's `state_dict`."""
        hidden = self.state.get("_non_persistent_buffers_set")
        skip = hidden if isinstance(hidden, set) else set()
        found = {k: v for k, v in self._members("_parameters").items() if v is not None}
        found.update({k: v for k, v in self._members("_buffers").items() if v is not None and k not in skip})
        for key, value in found.items():
            if not isinstance(value, TensorRecord):
                raise WeightsError(f"{printable(self.name)}.{printable(key)} is not a tensor; the file is damaged")
        return {str(k): v for k, v in found.items()}


def walk(root: Record) -> Iterator[tuple[str, Record]]:
    """Every module of the tree with its dotted name, the root first (name "").

    Raises WeightsError when the tree is deeper or larger than any network (a cycle, or a bomb), or names a member as
    torch never does.
    """
    pending: list[tuple[str, Record, int]] = [("", root, 0)]
    modules = members = 0
    while pending:
        prefix, record, depth = pending.pop()
        modules += 1
        members += record.member_count()
        if depth > MAX_DEPTH or modules > MAX_MODULES or members > MAX_MEMBERS:
            raise WeightsError(
                f"modules nest deeper than {MAX_DEPTH} or number more than {MAX_MODULES}, or their members more than "
                f"{MAX_MEMBERS}; not a network"
            )
        record.check_names()
        yield prefix, record
        dot = f"{prefix}." if prefix else ""
        pending.extend((dot + name, child, depth + 1) for name, child in reversed(record.children.items()))


def state_dict(root: Record) -> dict[str, TensorRecord]:
    """Names and tensors as torch's `state_dict` of the pickled module would give them."""
    named: dict[str, TensorRecord] = {}
    for prefix, record in walk(root):
        dot = f"{prefix}." if prefix else ""
        named.update({dot + name: tensor for name, tensor in record.own_tensors().items()})
    return named

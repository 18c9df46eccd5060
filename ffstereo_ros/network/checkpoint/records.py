"""What a pickle becomes here: inert records of classes, calls and tensors, none of which can act.

A record says which class the file names and which state it gives; nothing of that class is imported or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ffstereo_ros.errors import WeightsError

# Deeper or larger than any real network (the full one: depth 8, 700 modules); stops cycles and exponential sharing.
MAX_DEPTH = 32
MAX_MODULES = 20_000


def printable(text: object, limit: int = 120) -> str:
    """A name from an untrusted file, made safe to show: one line, no control characters, at most `limit` long."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text)[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


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

    Raises WeightsError when the tree is deeper or larger than any network (a cycle, or a bomb).
    """
    pending: list[tuple[str, Record, int]] = [("", root, 0)]
    seen = 0
    while pending:
        prefix, record, depth = pending.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_MODULES:
            raise WeightsError(f"modules nest deeper than {MAX_DEPTH} or number more than {MAX_MODULES}; not a network")
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

"""Frozen dataclass trees to plain JSON values and back; unknown, missing and mistyped entries are refused by name."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ffstereo_ros.errors import ParameterError

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses become dicts (with their ``kind``, if they have one), tuples become lists; the rest is kept."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {"kind": value.kind} if hasattr(value, "kind") else {}
        plain.update({f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)})
        return plain
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], data: Any, where: str = "config") -> T:
    """Build ``cls`` from what `to_plain` gave.

    Raises `ParameterError` naming the entry for an unknown or missing key, a wrong type, or a value not allowed.
    """
    if not isinstance(data, dict):
        raise ParameterError(f"{where} is {data!r:.80}: expected a table for {cls.__name__}")
    kind = getattr(cls, "kind", None)
    if data.get("kind") != kind:
        raise ParameterError(f"{where}.kind is {data.get('kind')!r}: expected {kind!r}")
    hints = get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(fields) - {"kind"})
    if unknown:
        raise ParameterError(
            f"{where} has unknown entries {', '.join(map(str, unknown))}: allowed are {', '.join(fields)}"
        )
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ParameterError(f"{where} lacks the entry {name}")
    return cls(**values)


def _decode(hint: Any, data: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(hint), data, where)
    if origin is tuple:
        return _decode_tuple(get_args(hint), data, where)
    if origin is Literal:
        return _decode_literal(get_args(hint), data, where)
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, data, where)  # type: ignore[arg-type]
    return _decode_scalar(hint, data, where)


def _decode_union(options: tuple[Any, ...], data: Any, where: str) -> Any:
    """``X | None`` by value; several dataclasses by their ``kind``."""
    if data is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    if len(options) == 1:
        return _decode(options[0], data, where)
    by_kind = {option.kind: option for option in options}
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in by_kind:
        raise ParameterError(f"{where} has kind {kind!r}: allowed are {', '.join(by_kind)}")
    return from_plain(by_kind[kind], data, where)


def _decode_tuple(arguments: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise ParameterError(f"{where} is {data!r:.80}: expected a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(data)
    if len(arguments) != len(data):
        raise ParameterError(f"{where} has {len(data)} entries: expected {len(arguments)}")
    return tuple(_decode(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(arguments, data)))


def _decode_literal(allowed: tuple[Any, ...], data: Any, where: str) -> Any:
    if not isinstance(data, (str, int)) or isinstance(data, bool) or data not in allowed:
        raise ParameterError(f"{where} is {data!r:.80}: allowed are {', '.join(map(repr, allowed))}")
    return data


def _decode_scalar(hint: Any, data: Any, where: str) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, hint) or (isinstance(data, bool) and hint is not bool):
        raise ParameterError(f"{where} is {data!r:.80}: expected {hint.__name__}")
    return data

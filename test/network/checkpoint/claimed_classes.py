"""Objects of classes that nobody has, pickled under the class paths they claim: the stuff of foreign checkpoints."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

_CLASSES: dict[str, type] = {}


def make(path: str, /, **members: Any) -> Any:
    """A module of an empty class `path`; modules, tensors and plain attributes are told apart by nn.Module itself."""
    if path not in _CLASSES:
        module, _, name = path.rpartition(".")
        _CLASSES[path] = type(name, (nn.Module,), {"__module__": module})
    built = _CLASSES[path]()
    for name, value in members.items():
        setattr(built, name, value)
    return built


def make_plain(path: str, **state: Any) -> Any:
    """An object of an empty class that is no module (omegaconf's)."""
    if path not in _CLASSES:
        module, _, name = path.rpartition(".")
        _CLASSES[path] = type(name, (), {"__module__": module})
    built = _CLASSES[path]()
    built.__dict__.update(state)
    return built


@contextlib.contextmanager
def importable_classes() -> Iterator[None]:
    """Pickle insists that a class can be imported: stand-in modules hold them meanwhile."""
    stand_ins: dict[str, Any] = {}
    for path, cls in _CLASSES.items():
        module, _, name = path.rpartition(".")
        parts = module.split(".")
        for i in range(len(parts)):
            stand_ins.setdefault(".".join(parts[: i + 1]), types.ModuleType(parts[i]))
        setattr(stand_ins[module], name, cls)
    kept = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def save_official(root: Any, path: Path, **options: Any) -> Path:
    """`torch.save` of the whole module, as the authors do."""
    with importable_classes():
        torch.save(root, path, **options)
    return path

"""Runs code for a CUDA GPU without one, on tensors that have shape, strides, type and device and no content.

What it finds: operations that refuse these types or shapes, a kernel that no longer gets its tensors, and everything
that would make the GPU wait for the host, which a CUDA graph cannot hold.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ffstereo_ros.network.inference.kernel_network import KernelNetwork


@contextlib.contextmanager
def pretend_gpu() -> Iterator[Counter[str]]:
    """Inside, ``torch.empty(..., device="cuda")`` works; gives how often each of our kernels has been called."""
    seen = OneDevice()
    with FakeTensorMode(), torch.inference_mode(), ByOperators(), seen:
        yield seen.kernels


class OneDevice(TorchDispatchMode):
    """Fails where an operation on the GPU reads from the host or the other way round: a graph cannot hold that."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function.namespace == "ffstereo":
            self.kernels[function.name().partition("::")[2]] += 1
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor) and leaf.ndim > 0]
        assert len({tensor.device.type for tensor in tensors}) <= 1, f"{function} crosses between host and GPU"
        return result


class ByOperators(TorchFunctionMode):
    """Slices and copies by operators: Python's own methods want a torch that was built for CUDA."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.contiguous:
            return torch.ops.aten.contiguous(*args, **(kwargs or {}))
        return sliced(*args) if function is Tensor.__getitem__ else function(*args, **(kwargs or {}))


def sliced(tensor: Tensor, index: Any) -> Tensor:
    """``tensor[index]`` of integers, slices, None and one ellipsis."""
    axis, parts = 0, index if isinstance(index, tuple) else (index,)
    for position, part in enumerate(parts):
        if part is Ellipsis:
            axis = tensor.ndim - (len(parts) - position - 1)
        elif isinstance(part, int):
            tensor = tensor.select(axis, part)
        else:
            whole = slice(None) if part is None else part
            tensor = tensor.unsqueeze(axis) if part is None else tensor
            tensor = torch.ops.aten.slice(tensor, axis, whole.start, whole.stop, whole.step or 1)
            axis += 1
    return tensor


def pretend(each: Any) -> Any:
    """A tensor that says it is on a GPU and holds nothing."""
    if not isinstance(each, Tensor):
        return each
    return torch.empty_strided(each.shape, each.stride(), dtype=each.dtype, device="cuda")


def pretend_on_gpu(model: KernelNetwork) -> None:
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            held.update({name: pretend(each) for name, each in held.items()})
    for name in ("first", "samples"):
        parts = getattr(model, name)
        setattr(
            model, name, replace(parts, **{each.name: pretend(getattr(parts, each.name)) for each in fields(parts)})
        )

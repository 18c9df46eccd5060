"""Whether tensors fit a configuration: names, shapes, types, finite numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ffstereo_ros.errors import FFStereoError, WeightsError
from ffstereo_ros.network.checkpoint.records import printable
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.model import FastFoundationStereo

_UNUSED_DTYPES = ("float32", "int64", "int32", "int16", "int8", "uint8", "bool")


def outline(config: NetworkConfig) -> FastFoundationStereo:
    """The network without numbers (torch's meta device): costs no memory, whatever sizes the configuration claims.

    Raises WeightsError naming the part of the configuration that does not fit the others.
    """
    for tensor in config.unused:
        if tensor.dtype not in _UNUSED_DTYPES:
            raise WeightsError(f"unused tensor {printable(tensor.name)} has type {printable(tensor.dtype)}")
    try:
        with torch.device("meta"):
            return FastFoundationStereo(config)
    except (FFStereoError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        reason = printable(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
        raise WeightsError(f"{reason}; this is another architecture than Fast-FoundationStereo") from error


def expected_shapes(config: NetworkConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of the configuration's network; raises WeightsError as `outline`."""
    return {name: tuple(tensor.shape) for name, tensor in outline(config).state_dict().items()}


def check_names(expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, Sequence[int]]) -> None:
    """Compare names and shapes of a file's tensors with those of its network.

    Raises WeightsError naming the first tensors that are missing, left over, or of another shape.
    """
    found = {name: tuple(shape) for name, shape in shapes.items()}
    _refuse_any([name for name in expected if name not in found], "lacks", "tensors")
    _refuse_any([name for name in found if name not in expected], "holds", "tensors the network does not have")
    wrong = [f"{n} {list(found[n])} instead of {list(s)}" for n, s in expected.items() if found[n] != s]
    _refuse_any(wrong, "holds", "tensors of another shape")


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError naming the first tensors that hold NaN or infinite numbers."""
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not bool(torch.isfinite(t).all())]
    _refuse_any(bad, "holds NaN or infinite numbers in", "tensors")


def _refuse_any(names: list[str], verb: str, what: str) -> None:
    if names:
        first = ", ".join(printable(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
        raise WeightsError(f"{verb} {len(names)} {what}: {first}; damaged, or weights of another network")

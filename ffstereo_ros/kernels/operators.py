"""Registration of torch custom operators: one place that knows which torch can do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ffstereo_ros.errors import MissingDependencyError


def cuda_operator(
    name: str, schema: str, kernel: Callable[..., Any], fake: Callable[..., Any], mutates: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """Register ``ffstereo::name`` for CUDA tensors; ``fake`` gives empty results of the right shape, dtype and strides.

    torch.compile and torch.export then take the operator as one node. It has no gradient.

    Raises:
        MissingDependencyError: torch is too old.
    """
    if not hasattr(torch.library, "custom_op"):
        raise MissingDependencyError(
            f"torch {torch.__version__} has no custom operators: the CUDA kernels need torch 2.4 or newer; "
            "update it, or use device cpu"
        )
    operator = torch.library.custom_op(
        f"ffstereo::{name}", kernel, mutates_args=mutates, device_types="cuda", schema=schema
    )
    operator.register_fake(fake)
    return operator

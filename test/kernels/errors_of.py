"""How far a kernel's result is from the float64 reference, in units of what its dtype can hold."""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8, torch.float32: 2.0**-24}


def rounding_errors(result: Tensor, expected: Tensor) -> float:
    """Largest |result - expected| over half a unit in the last place of max(|expected|, its root mean square).

    1 is what rounding the exact value alone can cost; NaN counts as infinite.
    """
    assert result.shape == expected.shape
    assert expected.dtype == torch.float64
    scale = expected.abs().clamp(min=float(expected.square().mean().sqrt()))
    error = (result.double() - expected).abs() / (scale * _EPSILON[result.dtype])
    return float(error.nan_to_num(float("inf")).max())

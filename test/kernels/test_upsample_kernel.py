"""The upsampling kernel's source, run on the CPU, against the reference in float64."""

from __future__ import annotations

import pytest
import torch
from emulator import emulate
from errors_of import rounding_errors

from ffstereo_ros.kernels.convex_upsample import op, reference

# Worst measured: 6.7 (nine exponentials and their sum).
TOLERANCE = 9.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("radius", [None, 12.0])
@pytest.mark.parametrize("size", [(2, 3, 7), (1, 1, 1), (1, 2, 70)])
def test_matches_the_reference(
    size: tuple[int, int, int], radius: float | None, last: bool, dtype: torch.dtype
) -> None:
    B, h, w = size
    generator = torch.Generator().manual_seed(0)
    disparity = torch.rand(B, 1, h, w, generator=generator) * 48
    logits = (torch.randn(B, 9, 4 * h, 4 * w, generator=generator) * 5).to(dtype)
    if last:
        logits = logits.contiguous(memory_format=torch.channels_last)
    op.check(disparity, logits, radius)
    result = emulate(op.prepare(disparity, logits, radius))
    assert rounding_errors(result, reference.convex_upsample(disparity.double(), logits.double(), radius)) < TOLERANCE


def test_large_logits_do_not_overflow() -> None:
    """A softmax without its maximum taken off would give NaN from 89 on."""
    disparity = torch.arange(12.0).view(1, 1, 3, 4)
    logits = torch.full((1, 9, 12, 16), -3e4, dtype=torch.float16)
    logits[:, 4] = 6e4
    result = emulate(op.prepare(disparity, logits))
    assert torch.equal(result, 4 * disparity.repeat_interleave(4, 2).repeat_interleave(4, 3))

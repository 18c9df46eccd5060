"""The correlation kernel's source, run on the CPU, against the reference in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from emulator import emulate
from errors_of import rounding_errors
from gpus import GEFORCE, HOPPER, SMALL
from torch import Tensor

from ffstereo_ros.kernels.correlation_volume import op, reference
from ffstereo_ros.kernels.correlation_volume.op import Inputs
from ffstereo_ros.kernels.launch import SharedMemory

DTYPES = [torch.float16, torch.bfloat16, torch.float32]
# Worst measured over all cases below: 1.8 in float16 and 1.4 in bfloat16 (correlations are rounded before they are
# convolved), 16 in float32 (each product is three TF32 ones).
TOLERANCE = {torch.float16: 2.5, torch.bfloat16: 2.5, torch.float32: 24.0}


@dataclass(frozen=True)
class Case:
    """One call: batch, image, disparities, channels, groups, and what joins the correlation."""

    size: tuple[int, int, int] = (2, 2, 21)  # B, H, W
    disparities: int = 12
    channels: int = 224
    groups: int = 8
    normalize: bool = True
    concatenated: int = 0
    convolved: int = 0
    limits: SharedMemory = HOPPER

    def inputs(self, dtype: torch.dtype) -> Inputs:
        """Random tensors of this case."""
        generator = torch.Generator().manual_seed(0)
        B, H, W = self.size

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(dtype)

        left, right = random(B, self.channels, H, W), random(B, self.channels, H, W)
        inputs = Inputs(left, right, self.groups, self.disparities, self.normalize)
        terms = self.concatenated or self.convolved
        if terms:
            inputs = inputs._replace(left_term=random(B, terms, H, W), right_term=random(B, terms, H, W))
        return inputs._replace(weight=random(self.convolved, self.groups)) if self.convolved else inputs


RELEASED = {
    "alone, not normalised": Case(normalize=False),
    "concatenated": Case(concatenated=12),
    "convolved": Case(convolved=28),
}
SHAPES = {
    "one column": Case(size=(1, 1, 1), disparities=1, channels=8, groups=2, concatenated=3),
    "narrower than a tile, odd channels": Case(size=(1, 3, 5), disparities=7, channels=15, groups=5, concatenated=1),
    "D above W": Case(size=(2, 1, 9), disparities=40, channels=32, groups=4, convolved=6),
    "several tiles both ways": Case(size=(1, 1, 70), disparities=60, channels=16, groups=2, concatenated=2),
    "more groups than fit": Case(channels=768, groups=12, disparities=18, concatenated=1, limits=SMALL),
    "groups in parts, none of them left over": Case(size=(1, 1, 21), channels=12, groups=12, disparities=48),
    "many outputs": Case(channels=48, groups=12, disparities=9, convolved=43, limits=GEFORCE),
}


def run(case: Case, dtype: torch.dtype, *defines: str) -> float:
    """The error of the emulated kernel, in rounding errors; its padding must be zero."""
    inputs = case.inputs(dtype)
    op.check(inputs)
    volume = emulate(op.prepare(inputs, case.limits), *defines).permute(0, 4, 1, 2, 3)
    exact = [value.double() if isinstance(value, Tensor) else value for value in inputs]
    assert bool((volume[:, inputs.channels :] == 0).all())
    return rounding_errors(volume[:, : inputs.channels], reference.correlation_volume(*exact))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RELEASED)
def test_released_channels(name: str, dtype: torch.dtype) -> None:
    assert run(RELEASED[name], dtype) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("name", SHAPES)
def test_any_shape(name: str, dtype: torch.dtype) -> None:
    assert run(SHAPES[name], dtype) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_tensor_cores(dtype: torch.dtype) -> None:
    """What compute capability 7.5 gets."""
    assert run(replace(SHAPES["D above W"], limits=SMALL), dtype, "SOFTWARE_MMA") < TOLERANCE[dtype]


def test_groups_do_not_see_each_other() -> None:
    """One group's infinity, or a pixel's, stays where it is."""
    inputs = SHAPES["D above W"].inputs(torch.float16)._replace(normalize=False, left_term=None, right_term=None)
    inputs = inputs._replace(weight=None)
    inputs.left[0, 5, 0, 3] = torch.inf
    volume = emulate(op.prepare(inputs, HOPPER)).permute(0, 4, 1, 2, 3)[:, :4]
    finite = volume.isfinite()
    assert not bool(finite[0, 0, :4, 0, 3].any())
    finite[0, 0, :, 0, 3] = True
    assert bool(finite.all())


def test_any_memory_layout() -> None:
    """Channels first or last, a view into something wider, or one that starts between two vectors."""
    inputs = SHAPES["narrower than a tile, odd channels"].inputs(torch.float16)
    wider = torch.zeros(1, 20, 3, 9, dtype=torch.float16)
    wider[:, 2:17, :, 1:6] = inputs.left
    shifted = torch.zeros(inputs.right.numel() + 1, dtype=torch.float16)[1:]
    shifted = shifted.view(1, 3, 5, 15).copy_(inputs.right.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert shifted.data_ptr() % 16 == 2
    other = inputs._replace(left=wider[:, 2:17, :, 1:6], right=shifted)
    op.check(other)
    assert torch.equal(emulate(op.prepare(inputs, HOPPER)), emulate(op.prepare(other, HOPPER)))

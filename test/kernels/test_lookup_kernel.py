"""The lookup kernel's source, run on the CPU, against the reference in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from emulator import emulate
from errors_of import rounding_errors
from gpus import GEFORCE, HOPPER, SMALL
from torch import Tensor

from ffstereo_ros.kernels.geometry_lookup import op, reference
from ffstereo_ros.kernels.geometry_lookup.op import Inputs
from ffstereo_ros.kernels.geometry_lookup.packing import pack_convolution
from ffstereo_ros.kernels.launch import SharedMemory

DTYPES = [torch.float16, torch.bfloat16, torch.float32]
# Worst measured over all cases below: 1.7 in 16-bit types (samples are rounded before they are convolved), 20 in
# float32 (522 products, each of three TF32 ones).
TOLERANCE = {torch.float16: 2.5, torch.bfloat16: 2.5, torch.float32: 30.0}


@dataclass(frozen=True)
class Case:
    """One call: sizes, pyramid, outputs of the convolution (0: none), and how volume and correlation are stored."""

    size: tuple[int, int, int] = (2, 3, 21)  # B, H, W
    disparities: int = 12
    channels: int = 28
    radius: int = 4
    levels: int = 2
    outputs: int = 0
    pitch: int = 32
    correlation_float: bool = False
    limits: SharedMemory = GEFORCE

    def inputs(self, dtype: torch.dtype) -> tuple[Inputs, tuple[Tensor, ...]]:
        """Random tensors of this case, and the convolution's own weight and bias."""
        generator = torch.Generator().manual_seed(0)
        B, H, W = self.size

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        stored = torch.full((B, self.disparities, H, W, self.pitch), torch.nan, dtype=dtype)
        stored[..., : self.channels] = random(*stored.shape[:4], self.channels).to(dtype)
        correlation = random(B, H, W, W).to(torch.float32 if self.correlation_float else dtype)
        # From far left of the volume to far right of it, the whole numbers among them.
        disparity = torch.rand(B, 1, H, W, generator=generator) * (self.disparities + 20) - 10
        disparity[..., ::3] = disparity[..., ::3].round()
        volume = stored.permute(0, 4, 1, 2, 3)[:, : self.channels]
        inputs = Inputs(volume, correlation, disparity, self.radius, self.levels)
        if self.outputs == 0:
            return inputs, ()
        weight = (random(self.outputs, inputs.channels) / inputs.channels**0.5).to(dtype)
        bias = random(self.outputs).to(dtype)
        packed = pack_convolution(weight, bias, self.radius, self.levels)
        inputs = inputs._replace(packed_weight=packed.packed_weight, packed_bias=packed.packed_bias)
        return inputs._replace(outputs=self.outputs), (weight, bias)


RELEASED = {
    "samples": Case(pitch=28, correlation_float=True, limits=HOPPER),
    "convolved": Case(outputs=56),
}
SHAPES = {
    "one pixel": Case(size=(1, 1, 1), disparities=1, channels=1, pitch=1, radius=1, outputs=3),
    "one level, odd steps": Case(size=(1, 2, 9), channels=3, pitch=5, levels=1, radius=2, outputs=20, limits=SMALL),
    "three levels": Case(size=(1, 2, 19), disparities=21, channels=8, pitch=8, levels=3, radius=1, outputs=16),
    "D above W": Case(size=(1, 1, 7), disparities=50, channels=9, pitch=16),
    "more pixels than a tile": Case(size=(3, 5, 11), channels=4, pitch=4, radius=1),
}


def run(case: Case, dtype: torch.dtype, *defines: str) -> float:
    """The error of the emulated kernel, in rounding errors; its padding must be zero."""
    inputs, weights = case.inputs(dtype)
    op.check(inputs)
    result = emulate(op.prepare(inputs, case.limits), *defines).permute(0, 3, 1, 2)
    exact = [value.double() for value in (*inputs[:3], *weights)]
    expected = reference.geometry_lookup(*exact[:3], case.radius, case.levels, *exact[3:])
    assert bool((result[:, inputs.channels :] == 0).all())
    return rounding_errors(result[:, : inputs.channels], expected)


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
    assert run(replace(SHAPES["three levels"], limits=SMALL), dtype, "SOFTWARE_MMA") < TOLERANCE[dtype]


@pytest.mark.parametrize("outputs", [0, 16])
def test_a_disparity_that_is_no_number(outputs: int) -> None:
    """Infinite and NaN disparities spoil their own pixel, huge ones give zeros: as in the reference."""
    case = replace(SHAPES["three levels"], outputs=outputs)
    inputs, weights = case.inputs(torch.float32)
    inputs.disparity[0, 0, 0, :4] = torch.tensor([torch.nan, torch.inf, -torch.inf, 3e38])
    result = emulate(op.prepare(inputs, case.limits)).permute(0, 3, 1, 2)
    expected = reference.geometry_lookup(*inputs[:3], case.radius, case.levels, *weights)
    torch.testing.assert_close(result[:, : inputs.channels], expected, equal_nan=True, rtol=1e-5, atol=1e-5)
    assert not bool(result[..., 1:, :].isnan().any())


def test_a_volume_in_another_layout_is_copied() -> None:
    inputs, _ = SHAPES["D above W"].inputs(torch.float16)
    other = inputs._replace(volume=inputs.volume.contiguous())
    assert torch.equal(emulate(op.prepare(inputs, HOPPER)), emulate(op.prepare(other, HOPPER)))

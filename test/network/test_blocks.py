"""Single blocks against their formulas, where the golden runs are too blunt to tell."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ffstereo_ros.network.blocks import ConvNeXtBlock, DisparityConv, UnusedTensors, build_block, run_block
from ffstereo_ros.network.encoder import Mlp
from ffstereo_ros.network.specs import (
    ActivationSpec,
    BasicConvSpec,
    SequenceSpec,
    conv_spec,
    convnext_spec,
    feature_attention_spec,
)


def exact_gelu(x: torch.Tensor) -> torch.Tensor:
    """x * Phi(x), with the error function itself; the tanh form is up to 5e-4 off."""
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def test_convnext_block_uses_the_exact_gelu() -> None:
    block = ConvNeXtBlock(convnext_spec(5, 7)).double()
    nn.init.ones_(block.gamma)
    x = 3 * torch.randn(2, 5, 6, 7, dtype=torch.float64)
    tokens = F.conv2d(x, block.dwconv.weight, block.dwconv.bias, padding=3, groups=5).permute(0, 2, 3, 1)
    mlp = block.pwconv2(exact_gelu(block.pwconv1(tokens)))
    assert (block(x) - x - mlp.permute(0, 3, 1, 2)).abs().max() < 1e-12


def test_mlp_uses_the_exact_gelu() -> None:
    mlp = Mlp(4, 9).double()
    x = 3 * torch.randn(50, 4, dtype=torch.float64)
    assert (mlp(x) - mlp.fc2(exact_gelu(mlp.fc1(x)))).abs().max() < 1e-12


def test_a_gate_scales_all_disparities_of_a_pixel_alike() -> None:
    gate = build_block(feature_attention_spec(3, 8)).eval()
    volume, feature = torch.rand(2, 3, 5, 4, 6), torch.randn(2, 8, 4, 6)
    ratio = run_block(gate, volume, feature) / volume
    assert (ratio - ratio[:, :, :1]).abs().max() < 1e-6
    assert 0 < ratio.min() <= ratio.max() < 1


def test_a_slot_leaves_what_it_was_given_untouched() -> None:
    """A slot's input is shared (skip connections): no block may write into it, not even an activation in front."""
    specs = (ActivationSpec("relu"), ActivationSpec("leaky_relu"), BasicConvSpec(conv_spec(3, 2, 2, 1)))
    for spec in (*specs, SequenceSpec(specs), SequenceSpec(specs, helper=True)):
        volume = torch.randn(1, 2, 3, 4, 5)
        before = volume.clone()
        run_block(build_block(spec), volume)
        assert torch.equal(volume, before)


def test_an_empty_slot_passes_its_input_on() -> None:
    volume = torch.randn(1, 2, 3, 4, 5)
    for slot in (None, UnusedTensors()):
        assert run_block(slot, volume) is volume


@pytest.mark.parametrize("depth", [8, 4, 1])
def test_a_convolution_along_disparity_has_true_gradients_in_bfloat16(depth: int) -> None:
    """conv3d's weight gradient is not: where the kernel is longer than the volume is deep, it is never written."""
    torch.manual_seed(0)
    block = build_block(conv_spec(3, 24, 24, (9, 1, 1), bias=True))
    assert isinstance(block, DisparityConv)
    volume, gradient = torch.randn(2, 2, 24, depth, 12, 24)
    expected = F.conv3d(volume, block.weight, block.bias, padding=(4, 0, 0))
    truth = torch.autograd.grad(expected, (block.weight, block.bias), gradient)
    for _ in range(4):
        for size in (10**3, 10**4, 10**5, 10**6):
            torch.full((size,), float("nan"))  # what is never written holds this, or worse
        with torch.autocast("cpu", dtype=torch.bfloat16):
            answer = block.train()(volume)
        assert (answer.float() - expected).norm() < 0.02 * expected.norm()
        for got, want in zip(torch.autograd.grad(answer, (block.weight, block.bias), gradient.bfloat16()), truth):
            assert (got - want).norm() < 0.02 * want.norm()
    assert torch.allclose(block(volume), block.eval()(volume), atol=1e-5)

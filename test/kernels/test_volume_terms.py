"""The folded first convolution: its algebra in float64, and the kernel's source, run on the CPU, against it."""

from __future__ import annotations

import pytest
import torch
from emulator import emulate
from errors_of import rounding_errors
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels.correlation_volume.folding import fold_pointwise_convolution
from ffstereo_ros.kernels.correlation_volume.reference import correlation_volume
from ffstereo_ros.kernels.volume_terms import op, reference
from ffstereo_ros.kernels.volume_terms.folding import fold_first_convolution

# Worst measured: 1.0 in 16-bit types, 2.6 in float32 (two sums and a product before the rounding).
TOLERANCE = 4.0


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize(("disparities", "width"), [(6, 9), (2, 3), (9, 4), (3, 1), (2, 1)])
def test_folding_a_3x3x3_convolution_is_exact(disparities: int, width: int) -> None:
    """Also where taps leave the volume: the first and last disparity, the last column, and D above W."""
    left, right, projected = random(2, 16, 4, width), random(2, 16, 4, width) + 1, random(2, 5, 4, width)
    other, weight, bias = random(2, 5, 4, width) * 2, random(7, 14, 3, 3, 3), random(7)
    volume = correlation_volume(left, right, 4, disparities, True, projected, other)
    expected = F.leaky_relu(F.conv3d(volume, weight, bias, padding=1), 0.01)
    parts = fold_first_convolution(weight, bias, 4)
    start = F.conv3d(volume[:, :4], parts.correlation_weight, padding=1)
    ours = reference.add_volume_terms(start, parts.left_map(projected), parts.right_map(other), 0.01)
    torch.testing.assert_close(ours[:, :7], expected, rtol=0, atol=1e-12)  # worst measured: 4e-14
    assert ours.shape[1] == 8
    assert bool((ours[:, 7:] == 0).all())


def test_folding_a_pointwise_convolution_is_exact() -> None:
    left, right, projection, shift = random(2, 16, 3, 9), random(2, 16, 3, 9) + 1, random(5, 16, 1, 1), random(5)
    weight, bias = random(7, 14, 1, 1, 1), random(7)
    terms = (F.conv2d(left, projection, shift), F.conv2d(right, projection, shift))
    expected = F.conv3d(correlation_volume(left, right, 4, 6, False, *terms), weight, bias)
    parts = fold_pointwise_convolution(weight, bias, projection, shift, 4)
    folded = (parts.left_term(left), parts.right_term(right), parts.weight)
    torch.testing.assert_close(correlation_volume(left, right, 4, 6, False, *folded), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "weight", [torch.zeros(7, 13, 3, 3, 3), torch.zeros(7, 14, 1, 1, 1), torch.zeros(7, 4, 3, 3, 3)]
)
def test_another_convolution_is_refused(weight: Tensor) -> None:
    with pytest.raises(ParameterError, match=r"expected \[O, 4 \+ 2 P, 3, 3, 3\]"):
        fold_first_convolution(weight, None, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [(2, 32, 13, 3, 21), (1, 8, 2, 1, 1), (1, 16, 12, 2, 5)])
def test_the_kernel_matches_the_reference(size: tuple[int, ...], dtype: torch.dtype) -> None:
    B, C, _, H, W = size
    volume = random(*size).to(dtype).contiguous(memory_format=torch.channels_last_3d)
    left, right = random(B, 3 * C, H, W).to(dtype), random(B, 6 * C, H, W + 2).to(dtype)
    op.check(volume, left, right)
    result = emulate(op.prepare(volume, left, right, 0.01), in_place=True)
    exact = reference.add_volume_terms(volume.double(), left.double(), right.double(), 0.01)
    assert rounding_errors(result, exact) < TOLERANCE


def test_in_place_on_the_cpu_too() -> None:
    volume = torch.zeros(1, 4, 3, 2, 5).contiguous(memory_format=torch.channels_last_3d)
    result = op.add_volume_terms_(volume, -torch.ones(1, 12, 2, 5), torch.zeros(1, 24, 2, 7), 0.5)
    assert result is volume
    assert bool((volume == -0.5).all())


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (torch.zeros(1, 4, 3, 2, 5), "channels_last_3d"),
        (torch.zeros(121)[1:].view(1, 3, 2, 5, 4).permute(0, 4, 1, 2, 3), "4 bytes behind a 16-byte boundary"),
        (torch.zeros(1, 4, 1, 2, 5), "1 disparity: at least 2"),
        (torch.zeros(1, 3, 3, 2, 5), r"expected \[1, 9, 2, 5\]"),
    ],
)
def test_a_volume_the_kernel_cannot_take_is_refused(volume: Tensor, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        op.add_volume_terms_(volume, torch.zeros(1, 12, 2, 5), torch.zeros(1, 24, 2, 7))

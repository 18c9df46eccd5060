"""What the public operations do before a kernel runs: who gets it, what is refused, and what the tracer is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gpus import HOPPER, SMALL
from released import LAUNCHES
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from ffstereo_ros.errors import BackendError, OutOfMemoryError, ParameterError
from ffstereo_ros.kernels import tensors
from ffstereo_ros.kernels.convex_upsample import op as upsample
from ffstereo_ros.kernels.convex_upsample.op import convex_upsample
from ffstereo_ros.kernels.correlation_volume import op as volume
from ffstereo_ros.kernels.correlation_volume import reference
from ffstereo_ros.kernels.correlation_volume.op import correlation_volume
from ffstereo_ros.kernels.geometry_lookup import op as lookup
from ffstereo_ros.kernels.geometry_lookup.op import geometry_lookup
from ffstereo_ros.kernels.geometry_lookup.packing import pack_convolution

FEATURE = torch.zeros(1, 12, 3, 5)
VOLUME = torch.zeros(1, 4, 8, 3, 5)
CORRELATION = torch.zeros(1, 3, 5, 5)
DISPARITY = torch.zeros(1, 1, 3, 5)


def refused(*arguments: Any, **named: Any) -> Callable[[Callable[..., Tensor]], str]:
    """What an operation says to these arguments."""

    def call(operation: Callable[..., Tensor]) -> str:
        with pytest.raises(ParameterError) as refusal:
            operation(*arguments, **named)
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return call


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (refused(FEATURE, FEATURE[..., 1:], 4, 8, True), "right is [1, 12, 3, 4] torch.float32 on cpu: expected"),
        (refused(FEATURE, FEATURE.half(), 4, 8, True), "right is [1, 12, 3, 5] torch.float16"),
        (refused(FEATURE.double(), FEATURE.double(), 4, 8, True), "of float32, float16 or bfloat16"),
        (refused(FEATURE[:0], FEATURE[:0], 4, 8, True), "4 non-empty axes"),
        (refused(FEATURE, FEATURE, 5, 8, True), "groups is 5: it must divide the 12 channels"),
        (refused(FEATURE, FEATURE, 4, 0, True), "disparities is 0: at least 1 is needed"),
        (refused(FEATURE, FEATURE, 4, 8, True, FEATURE), "left_term and right_term come together"),
        (refused(FEATURE, FEATURE, 4, 8, True, FEATURE, FEATURE[:, 1:]), "right_term is [1, 11, 3, 5]"),
        (refused(FEATURE, FEATURE, 4, 8, True, FEATURE, FEATURE, torch.zeros(12, 3)), "weight is [12, 3]"),
    ],
)
def test_correlation_volume_refuses(call: Callable[..., str], message: str) -> None:
    assert message in call(correlation_volume)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (refused(VOLUME[0], CORRELATION, DISPARITY), "volume is [4, 8, 3, 5]"),
        (refused(VOLUME, CORRELATION.half(), DISPARITY), "correlation is [1, 3, 5, 5] torch.float16"),
        (refused(VOLUME, CORRELATION, DISPARITY.half()), "disparity is [1, 1, 3, 5] torch.float16"),
        (refused(VOLUME, CORRELATION, DISPARITY, -1), "radius is -1"),
        (
            refused(VOLUME, CORRELATION, DISPARITY, 3, 2, pack_convolution(torch.zeros(6, 90), torch.zeros(6))),
            "packed for radius 4 and 2 levels, the lookup has radius 3",
        ),
        (
            refused(VOLUME, CORRELATION, DISPARITY, 4, 2, pack_convolution(torch.zeros(6, 162), torch.zeros(6))),
            "the packed weight is",
        ),
    ],
)
def test_geometry_lookup_refuses(call: Callable[..., str], message: str) -> None:
    assert message in call(geometry_lookup)


def test_convex_upsample_refuses() -> None:
    assert "logits is [1, 9, 12, 16]" in refused(DISPARITY, torch.zeros(1, 9, 12, 16))(convex_upsample)
    zero = refused(DISPARITY, torch.zeros(1, 9, 4 * DISPARITY.shape[2], 4 * DISPARITY.shape[3]), 0.0)(convex_upsample)
    assert "surface_radius is 0.0 px: must be above 0" in zero
    assert "at most 65535 rows" in refused(torch.zeros(1, 1, 16384, 1), torch.zeros(1, 9, 65536, 4))(convex_upsample)


@pytest.mark.parametrize("samples", [(6, 91), (6, 18)])
def test_packing_refuses_what_fits_no_lookup(samples: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match=r"a multiple of levels \* \(2 radius \+ 1\) = 18, at least 36"):
        pack_convolution(torch.zeros(samples), torch.zeros(6))


def test_a_gradient_goes_through_the_reference() -> None:
    left = torch.randn(1, 12, 3, 5, requires_grad=True)
    correlation_volume(left, left.detach(), 4, 8, True).sum().backward()
    assert left.grad is not None
    with FakeTensorMode():
        on_gpu = torch.empty(1, device="cuda", requires_grad=True)
        assert not tensors.takes_kernel(on_gpu.detach(), on_gpu)
        assert tensors.takes_kernel(on_gpu.detach(), None)
        with torch.no_grad():
            assert tensors.takes_kernel(on_gpu)


def test_padding_is_kept_on_request() -> None:
    inputs = (torch.randn(1, 12, 3, 5).half(), torch.randn(1, 12, 3, 5).half(), 4, 8, True)
    padded = correlation_volume(*inputs, keep_padding=True)
    assert padded.shape == (1, 8, 8, 3, 5)
    assert torch.equal(padded[:, :4], correlation_volume(*inputs))
    assert bool((padded[:, 4:] == 0).all())


def test_the_lookup_packs_the_convolution_it_was_given() -> None:
    """torch.compile plans memory by the fake results: shape, dtype and strides must be those of the kernel."""
    weight, bias = torch.randn(6, 90), torch.randn(6)
    generator = torch.Generator().manual_seed(0)
    sources = (torch.randn(VOLUME.shape, generator=generator), torch.randn(CORRELATION.shape), DISPARITY + 3)
    samples = geometry_lookup(*sources)
    convolved = geometry_lookup(*sources, convolution=pack_convolution(weight[:, :, None, None], bias))
    torch.testing.assert_close(
        convolved, torch.relu(torch.einsum("os,bsyx->boyx", weight, samples) + bias.view(1, -1, 1, 1))
    )


def volume_inputs(device: str) -> volume.Inputs:
    feature = torch.empty(2, 16, 3, 5, device=device, dtype=torch.float16)
    return volume.Inputs(feature, feature, 4, 8, True, feature, feature, feature.new_empty(16, 4))


def lookup_inputs(device: str) -> lookup.Inputs:
    cost = torch.empty(2, 4, 8, 3, 5, device=device, dtype=torch.float16)
    correlation, disparity = torch.empty(2, 3, 5, 5, device=device), torch.empty(2, 1, 3, 5, device=device)
    return lookup.Inputs(cost, correlation, disparity, 4, 2)


def test_the_tracer_is_told_the_kernels_own_strides() -> None:
    """torch.compile plans memory by the fake results: shape, dtype and strides must be those of the launch's output."""
    with FakeTensorMode(), torch.no_grad():
        fakes = (
            correlation_volume(*volume_inputs("cuda"), keep_padding=True),
            lookup._operator(*lookup_inputs("cuda")),
            convex_upsample(torch.empty(2, 1, 3, 5, device="cuda"), torch.empty(2, 9, 12, 20, device="cuda")),
        )
    launches = (
        volume.prepare(volume_inputs("meta"), HOPPER).output.permute(0, 4, 1, 2, 3),
        lookup.prepare(lookup_inputs("meta"), HOPPER).output.permute(0, 3, 1, 2),
        upsample.prepare(torch.empty(2, 1, 3, 5, device="meta"), torch.empty(2, 9, 12, 20, device="meta")).output,
    )
    for fake, real in zip(fakes, launches):
        assert (fake.shape, fake.stride(), fake.dtype) == (real.shape, real.stride(), real.dtype)


def test_too_many_channels_for_shared_memory() -> None:
    feature = torch.empty(1, 65536, 1, 1, device="meta")
    with pytest.raises(BackendError, match="groups of 65536 channels do not fit this GPU's 65536 bytes"):
        volume.prepare(volume.Inputs(feature, feature, 1, 4, True), SMALL)
    cost = torch.empty(1, 4096, 4, 1, 1, device="meta")
    inputs = lookup.Inputs(cost, torch.empty(1, 1, 1, 1, device="meta"), torch.empty(1, 1, 1, 1, device="meta"), 4, 2)
    with pytest.raises(BackendError, match="do not fit this GPU's 65536 bytes"):
        lookup.prepare(inputs, SMALL)


def test_out_of_memory_says_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")

    monkeypatch.setattr(torch, "empty", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10 * 2**20, 2**30))
    with pytest.raises(
        OutOfMemoryError, match=r"takes 40 MiB and the GPU has 10 MiB free: .* 25% of its entries fits; lower"
    ):
        tensors.allocate("the cost volume", (10, 2**20), torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("name", LAUNCHES)
def test_two_blocks_fit_a_multiprocessor(name: str) -> None:
    """So that one loads while the other computes; fewer would leave the memory idle."""
    launch = LAUNCHES[name](torch.float16, HOPPER)
    assert 2 * (launch.shared_bytes + 1024) <= HOPPER.multiprocessor


@pytest.mark.parametrize(("disparities", "expected"), [(48, 48), (104, 40), (12, 16), (1, 8)])
def test_disparity_tiles_are_filled_evenly(disparities: int, expected: int) -> None:
    feature = torch.empty(1, 224, 4, 64, device="meta", dtype=torch.float16)
    launch = volume.prepare(volume.Inputs(feature, feature, 8, disparities, True), HOPPER)
    assert dict(launch.defines)["TILE_D"] == expected


def test_the_reference_takes_the_narrowest_image() -> None:
    left, right = torch.randn(1, 4, 2, 1), torch.randn(1, 4, 2, 1)
    ours = reference.groupwise_correlation(left, right, 2, 3, False)
    expected = torch.zeros(1, 2, 3, 2, 1)
    expected[:, :, 0] = (left * right).view(1, 2, 2, 2, 1).sum(dim=2)
    torch.testing.assert_close(ours, expected)

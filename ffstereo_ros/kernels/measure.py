"""Each kernel beside its reference and its floor: the bytes that must be moved, at the speed the memory moves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.kernels.convex_upsample import op as upsample
from ffstereo_ros.kernels.convex_upsample import reference as upsample_reference
from ffstereo_ros.kernels.correlation_volume import op as volume
from ffstereo_ros.kernels.correlation_volume import reference as volume_reference
from ffstereo_ros.kernels.geometry_lookup import op as lookup
from ffstereo_ros.kernels.geometry_lookup import reference as lookup_reference
from ffstereo_ros.kernels.geometry_lookup.packing import LookupConvolution, pack_convolution
from ffstereo_ros.kernels.volume_terms import op as terms
from ffstereo_ros.kernels.volume_terms import reference as terms_reference

# The widths of the released networks.
_FEATURES, _GROUPS, _PROJECTED, _FILTERED, _OUTPUTS = 224, 8, 12, 28, 56
_COMBINED = _GROUPS + 2 * _PROJECTED
_RADIUS, _LEVELS = 4, 2

# Runs a function again and again: median time of one run, s.
Timer = Callable[[Callable[[], object]], float]


@dataclass(frozen=True)
class Case:
    """One operation on one size.

    Attributes:
        name: for people.
        least_bytes: what must be read and written at least, each once, without padding.
        kernel, reference: the public operation, and what PyTorch's operations need for the same.
        exact: the reference on the same inputs in float64.
    """

    name: str
    least_bytes: int
    kernel: Callable[[], Tensor]
    reference: Callable[[], Tensor]
    exact: Callable[[], Tensor]


@dataclass(frozen=True)
class Row:
    """What was measured of a case.

    Attributes:
        kernel_us, reference_us, floor_us: microseconds; the floor is the least bytes at the copy's speed.
        error: largest difference from float64 over the largest exact value.
    """

    name: str
    least_mb: float
    kernel_us: float
    reference_us: float
    floor_us: float
    error: float

    @property
    def share(self) -> float:
        """Of the copy's speed."""
        return self.floor_us / self.kernel_us


class CudaTimer:
    """Times on the current CUDA device by events; before each run a large write empties the GPU's caches.

    The write also keeps the GPU busy while the launches of the run are queued, so that their own time stays hidden.
    """

    def __init__(self, repeats: int = 50) -> None:
        self._repeats = repeats
        self._flush = torch.empty(2**29, dtype=torch.uint8, device="cuda")

    def __call__(self, function: Callable[[], object]) -> float:
        for _ in range(3):
            function()
        return median(self._once(function) for _ in range(self._repeats))

    def _once(self, function: Callable[[], object]) -> float:
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._flush.zero_()
        began.record()
        function()
        ended.record()
        ended.synchronize()
        return float(began.elapsed_time(ended)) / 1000


def copy_speed(device: torch.device, timer: Timer, size: int = 2**29) -> float:
    """Bytes per second, read and written, of a device-to-device copy of ``size`` bytes."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / timer(lambda: target.copy_(source))


@torch.inference_mode()
def measure(case: Case, timer: Timer, speed: float) -> Row:
    """Times a case; ``speed`` as `copy_speed` gives it."""
    exact = case.exact()
    error = float((case.kernel().double() - exact).abs().max() / exact.abs().max())
    kernel, reference = 1e6 * timer(case.kernel), 1e6 * timer(case.reference)
    return Row(case.name, case.least_bytes / 1e6, kernel, reference, 1e6 * case.least_bytes / speed, error)


@torch.inference_mode()
def released_cases(height: int, width: int, disparities: int, dtype: torch.dtype, device: torch.device) -> list[Case]:
    """Every kernel as the released networks call it on quarter-resolution maps of this size, on random tensors."""

    def random(*shape: int) -> Tensor:
        """Channels innermost in memory."""
        values = torch.randn(*shape, dtype=dtype, device=device)
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        return values.contiguous(memory_format=formats.get(len(shape), torch.contiguous_format))

    volume_shape = (disparities, height, width)
    return [
        *_volume_cases(random, *volume_shape),
        *_lookup_cases(random, *volume_shape),
        _upsample_case(random, height, width),
        _terms_case(random, *volume_shape),
    ]


Random = Callable[..., Tensor]


def _volume_cases(random: Random, disparities: int, h: int, w: int) -> list[Case]:
    left, right = random(1, _FEATURES, h, w), random(1, _FEATURES, h, w)
    alone = volume.Inputs(left, right, _GROUPS, disparities, True)

    def with_terms(channels: int) -> volume.Inputs:
        return alone._replace(left_term=random(1, channels, h, w), right_term=random(1, channels, h, w))

    convolved = with_terms(_FILTERED)._replace(weight=random(_FILTERED, _GROUPS))
    return [
        _volume_case("correlation", alone),
        _volume_case("correlation, concatenated", with_terms(_PROJECTED)),
        _volume_case("correlation, convolved", convolved),
    ]


def _volume_case(name: str, inputs: volume.Inputs) -> Case:
    given = (inputs.left, inputs.right, inputs.left_term, inputs.right_term, inputs.weight)
    plane = inputs.left[0, 0].numel() * inputs.left.element_size()
    exact = inputs._replace(
        left=inputs.left.double(),
        right=inputs.right.double(),
        left_term=_double(inputs.left_term),
        right_term=_double(inputs.right_term),
        weight=_double(inputs.weight),
    )
    return Case(
        name,
        _bytes(*given) + inputs.channels * inputs.disparities * plane,
        lambda: volume.correlation_volume(*inputs),
        lambda: volume_reference.correlation_volume(*inputs),
        lambda: volume_reference.correlation_volume(*exact),
    )


def _lookup_cases(random: Random, disparities: int, h: int, w: int) -> list[Case]:
    filtered, correlation = random(1, _FILTERED, disparities, h, w), random(1, h, w, w).float().contiguous()
    disparity = random(1, 1, h, w).float().abs() * disparities / 4
    samples = _LEVELS * (_FILTERED + 1) * (2 * _RADIUS + 1)
    packed = pack_convolution(random(_OUTPUTS, samples) / samples**0.5, random(_OUTPUTS), _RADIUS, _LEVELS)
    pyramids = lookup_reference.build_pyramid(filtered, correlation, _LEVELS)
    # The taps of the last level reach furthest; each entry under them is needed once.
    entries = min(disparities, 2 ** (_LEVELS - 1) * (2 * _RADIUS + 2))
    read = entries * h * w * (_FILTERED * filtered.element_size() + 4) + _bytes(disparity)

    def sampled(convolution: LookupConvolution | None) -> Tensor:
        values = lookup_reference.sample_pyramid(*pyramids, disparity, _RADIUS).to(filtered.dtype)
        if convolution is None:
            return values
        return F.relu(F.conv2d(values, convolution.weight[:, :, None, None], convolution.bias))

    def case(name: str, channels: int, convolution: LookupConvolution | None) -> Case:
        weights = (None, None) if convolution is None else (convolution.weight, convolution.bias)
        exact = (filtered.double(), correlation.double(), disparity.double())
        return Case(
            name,
            read + channels * h * w * filtered.element_size() + _bytes(*weights),
            lambda: lookup.geometry_lookup(filtered, correlation, disparity, _RADIUS, _LEVELS, convolution),
            lambda: sampled(convolution),
            lambda: lookup_reference.geometry_lookup(*exact, _RADIUS, _LEVELS, *map(_double, weights)),
        )

    return [case("lookup", samples, None), case("lookup, convolved", _OUTPUTS, packed)]


def _upsample_case(random: Random, h: int, w: int) -> Case:
    disparity, logits = random(1, 1, h, w).float().abs() * 10, random(1, 9, 4 * h, 4 * w)
    return Case(
        "upsampling",
        _bytes(disparity, logits) + 4 * logits[0, 0].numel(),
        lambda: upsample.convex_upsample(disparity, logits),
        lambda: upsample_reference.convex_upsample(disparity, logits),
        lambda: upsample_reference.convex_upsample(disparity.double(), logits.double()),
    )


def _terms_case(random: Random, disparities: int, h: int, w: int) -> Case:
    """The kernel's first call answers; later ones, which are timed, add to what is there."""
    start = random(1, _COMBINED, disparities, h, w)
    left, right = random(1, 3 * _COMBINED, h, w), random(1, 6 * _COMBINED, h, w + 2)
    target = start.clone()
    return Case(
        "volume terms",
        2 * _bytes(start) + 2 * _COMBINED * h * w * start.element_size(),
        lambda: terms.add_volume_terms_(target, left, right, 0.01),
        lambda: terms_reference.add_volume_terms(start, left, right, 0.01),
        lambda: terms_reference.add_volume_terms(start.double(), left.double(), right.double(), 0.01),
    )


def _bytes(*tensors: Tensor | None) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)


def _double(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.double()

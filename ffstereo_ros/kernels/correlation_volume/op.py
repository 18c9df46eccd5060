"""The public operation: checks, the torch custom operator, and the launch of the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels import launch
from ffstereo_ros.kernels.compile import Defines, KernelSource
from ffstereo_ros.kernels.correlation_volume import reference
from ffstereo_ros.kernels.correlation_volume.plan import THREADS, Problem, Tiles, choose_tiles, shared_bytes
from ffstereo_ros.kernels.launch import Launch, SharedMemory, element_define
from ffstereo_ros.kernels.operators import cuda_operator
from ffstereo_ros.kernels.tensors import (
    allocate,
    channels_last,
    check_features,
    check_tensor,
    padded_channels,
    takes_kernel,
    widest_load,
)

KERNEL = KernelSource(Path(__file__).with_name("kernel.cu"), "correlation_volume")


class Inputs(NamedTuple):
    """What the operator takes; see `correlation_volume`."""

    left: Tensor
    right: Tensor
    groups: int
    disparities: int
    normalize: bool
    left_term: Tensor | None = None
    right_term: Tensor | None = None
    weight: Tensor | None = None

    @property
    def channels(self) -> int:
        """Channels of the result without padding."""
        if self.weight is not None:
            return self.weight.shape[0]
        return self.groups if self.left_term is None else self.groups + 2 * self.left_term.shape[1]

    @property
    def buffer_shape(self) -> tuple[int, int, int, int, int]:
        """The result as it lies in memory: [B, D, H, W, padded channels]."""
        B, _, H, W = self.left.shape
        return B, self.disparities, H, W, padded_channels(self.channels, self.left.dtype)


def correlation_volume(
    left: Tensor,
    right: Tensor,
    groups: int,
    disparities: int,
    normalize: bool,
    left_term: Tensor | None = None,
    right_term: Tensor | None = None,
    weight: Tensor | None = None,
    keep_padding: bool = False,
) -> Tensor:
    """Group-wise correlation volume of two feature maps [B, C, H, W]; left x meets right x - d, zero where x < d.

    Alone: [B, G, D, H, W]. With ``left_term``, ``right_term`` [B, P, H, W]: both concatenated behind the correlation,
    [B, G + 2 P, D, H, W], the left one repeated over all d, the right one shifted. With ``weight`` [O, G] as well, and
    terms [B, O, H, W]: the first 1x1x1 convolution folded in (see `fold_pointwise_convolution`), [B, O, D, H, W] =
    weight @ correlation + left_term + shifted right_term.

    ``normalize`` divides both features by their norm within the group (cosine similarity; eps 1e-12).
    CUDA tensors that need no gradient get the kernel: its result lies channels last in memory, a pixel's channels
    padded with zeros to whole 16-byte vectors. All others get the reference. ``keep_padding`` returns the padding too.

    Raises:
        ParameterError: shapes, dtypes or devices do not go together.
        BackendError: the GPU cannot run the kernel or has too little memory.
    """
    inputs = Inputs(left, right, groups, disparities, normalize, left_term, right_term, weight)
    check(inputs)
    if takes_kernel(left, right, left_term, right_term, weight):
        volume: Tensor = _operator(*inputs)
        return volume if keep_padding else volume[:, : inputs.channels]
    volume = reference.correlation_volume(*inputs)
    padding = inputs.buffer_shape[-1] - inputs.channels if keep_padding else 0
    return F.pad(volume, (0, 0, 0, 0, 0, 0, 0, padding)) if padding else volume


def check(inputs: Inputs) -> None:
    """Raise `ParameterError` for anything the kernel does not take."""
    left, left_term, right_term, weight = inputs.left, inputs.left_term, inputs.right_term, inputs.weight
    check_features("left", left, 4)
    B, C, H, W = left.shape
    check_tensor("right", inputs.right, (B, C, H, W), left.dtype, left.device)
    if inputs.groups < 1 or C % inputs.groups:
        raise ParameterError(f"groups is {inputs.groups}: it must divide the {C} channels")
    if inputs.disparities < 1:
        raise ParameterError(f"disparities is {inputs.disparities}: at least 1 is needed")
    if (left_term is None) != (right_term is None) or (weight is not None and left_term is None):
        raise ParameterError("left_term and right_term come together, and weight only with them")
    if left_term is None or right_term is None:
        return
    check_features("left_term", left_term, 4)
    if weight is not None:
        check_tensor("weight", weight, (left_term.shape[1], inputs.groups), left.dtype, left.device)
    for name, term in (("left_term", left_term), ("right_term", right_term)):
        check_tensor(name, term, (B, left_term.shape[1], H, W), left.dtype, left.device)


def prepare(inputs: Inputs, limits: SharedMemory) -> Launch:
    """The launch for checked inputs; its output is [B, D, H, W, padded channels]."""
    left, disparities, weight = inputs.left, inputs.disparities, inputs.weight
    B, C, H, W = left.shape
    has_terms, pitch = inputs.left_term is not None, inputs.buffer_shape[-1]
    problem = Problem(inputs.groups, C // inputs.groups, disparities, inputs.normalize, pitch, has_terms, left.dtype)
    tiles = choose_tiles(problem, limits)
    disparity_tiles = -(-disparities // tiles.disparities)
    output = allocate("the cost volume", inputs.buffer_shape, left.dtype, left.device)
    terms = tuple(None if term is None else channels_last(term) for term in (inputs.left_term, inputs.right_term))
    weight = None if weight is None else weight.contiguous()
    return Launch(
        kernel=KERNEL,
        defines=_defines(inputs, problem, tiles),
        grid=(-(-W // tiles.columns), H, B * disparity_tiles),
        threads=THREADS,
        shared_bytes=shared_bytes(problem, tiles),
        tensors=(channels_last(left), channels_last(inputs.right), *terms, weight, output),
        numbers=(H, W, disparities, disparity_tiles),
        output=output,
    )


def _defines(inputs: Inputs, problem: Problem, tiles: Tiles) -> Defines:
    folded = inputs.weight is not None
    term_channels = 0 if inputs.left_term is None else inputs.left_term.shape[1]
    return (
        element_define(problem.dtype),
        ("GROUPS", problem.groups),
        ("GROUP_CHANNELS", problem.group_channels),
        ("GROUPS_AT_ONCE", tiles.groups_at_once),
        ("NORMALIZE", int(problem.normalize)),
        ("FOLDED", int(folded)),
        ("TERM_CHANNELS", term_channels),
        ("OUT_PITCH", problem.out_pitch),
        ("TILE_X", tiles.columns),
        ("TILE_D", tiles.disparities),
        ("THREADS", THREADS),
        ("LOAD_BYTES", widest_load(problem.group_channels * problem.dtype.itemsize)),
    )


def _kernel(*inputs: Any) -> Tensor:
    """The kernel's result with its padding, [B, padded channels, D, H, W]."""
    prepared = prepare(Inputs(*inputs), launch.shared_memory(inputs[0].device))
    return launch.run(prepared).permute(0, 4, 1, 2, 3)


def _fake(*inputs: Any) -> Tensor:
    given = Inputs(*inputs)
    return given.left.new_empty(given.buffer_shape).permute(0, 4, 1, 2, 3)


_operator = cuda_operator(
    "correlation_volume",
    "(Tensor left, Tensor right, int groups, int disparities, bool normalize, Tensor? left_term, Tensor? right_term, "
    "Tensor? weight) -> Tensor",
    _kernel,
    _fake,
)

"""The public operation: checks, the torch custom operator, and the launch of the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.kernels import launch
from ffstereo_ros.kernels.compile import Defines, KernelSource
from ffstereo_ros.kernels.geometry_lookup import reference
from ffstereo_ros.kernels.geometry_lookup.packing import CHANNEL_BLOCK, LookupConvolution
from ffstereo_ros.kernels.launch import Launch, SharedMemory, element_define
from ffstereo_ros.kernels.operators import cuda_operator
from ffstereo_ros.kernels.tensors import (
    VECTOR_BYTES,
    allocate,
    check_features,
    check_tensor,
    padded_channels,
    takes_kernel,
    widest_load,
)

KERNEL = KernelSource(Path(__file__).with_name("kernel.cu"), "geometry_lookup")
THREADS = 256


class Inputs(NamedTuple):
    """What the operator takes; see `geometry_lookup`. ``outputs`` is the convolution's channel count, 0 without one."""

    volume: Tensor
    correlation: Tensor
    disparity: Tensor
    radius: int
    levels: int
    packed_weight: Tensor | None = None
    packed_bias: Tensor | None = None
    outputs: int = 0

    @property
    def channels(self) -> int:
        """Channels of the result without padding."""
        return self.outputs or self.levels * (self.volume.shape[1] + 1) * (2 * self.radius + 1)

    @property
    def buffer_shape(self) -> tuple[int, int, int, int]:
        """The result as it lies in memory: [B, H, W, padded channels]."""
        B, _, _, H, W = self.volume.shape
        return B, H, W, padded_channels(self.channels, self.volume.dtype)


def geometry_lookup(
    volume: Tensor,
    correlation: Tensor,
    disparity: Tensor,
    radius: int = 4,
    levels: int = 2,
    convolution: LookupConvolution | None = None,
) -> Tensor:
    """Samples around disparity [B, 1, H, W] (float32, px of the volume) of volume [B, C, D, H, W] and correlation
    [B, H, W, W'] of every left pixel with its right row.

    Level l halves both l times along D and W'. Per level: for each volume channel the offsets -radius .. radius around
    disparity / 2^l, then those of the correlation around (x - disparity) / 2^l; linear interpolation, zero outside.
    Result: [B, levels * (C + 1) * (2 radius + 1), H, W] in the volume's dtype (arXiv 2512.11130; 522 channels). With
    ``convolution`` (see `pack_convolution`) instead ReLU of that 1x1 convolution of the samples, [B, O, H, W].

    CUDA tensors that need no gradient get the kernel, which reads the volume channels last (another layout is copied at
    every call) and gives a channels-last result. All others get the reference.

    Raises:
        ParameterError: shapes, dtypes or devices do not go together.
        BackendError: the GPU cannot run the kernel or has too little memory.
    """
    packed = () if convolution is None else _packed(convolution, radius, levels)
    inputs = Inputs(volume, correlation, disparity, radius, levels, *packed)
    check(inputs)
    if takes_kernel(volume, correlation, disparity):
        result: Tensor = _operator(*inputs)
        return result[:, : inputs.channels]
    weights = () if convolution is None else (convolution.weight, convolution.bias)
    return reference.geometry_lookup(volume, correlation, disparity, radius, levels, *weights)


def _packed(convolution: LookupConvolution, radius: int, levels: int) -> tuple[Tensor, Tensor, int]:
    if (convolution.radius, convolution.levels) != (radius, levels):
        raise ParameterError(
            f"the convolution was packed for radius {convolution.radius} and {convolution.levels} levels, the lookup "
            f"has radius {radius} and {levels} levels: pack it for these"
        )
    return convolution.packed_weight, convolution.packed_bias, convolution.weight.shape[0]


def check(inputs: Inputs) -> None:
    """Raise `ParameterError` for anything the kernel does not take."""
    volume, correlation = inputs.volume, inputs.correlation
    check_features("volume", volume, 5)
    B, _, D, H, W = volume.shape
    check_features("correlation", correlation, 4)
    dtype = correlation.dtype if correlation.dtype == torch.float32 else volume.dtype
    check_tensor("correlation", correlation, (B, H, W, correlation.shape[3]), dtype, volume.device)
    check_tensor("disparity", inputs.disparity, (B, 1, H, W), torch.float32, volume.device)
    if inputs.radius < 0 or inputs.levels < 1:
        raise ParameterError(f"radius is {inputs.radius} and levels {inputs.levels}: at least 0 and 1 are needed")
    if max(B * H * W, D, correlation.shape[3]) >= 2**30:
        raise ParameterError(f"volume is {list(volume.shape)}: at most 2^30 pixels")
    if inputs.packed_weight is not None and inputs.packed_bias is not None:
        expected = (-(-inputs.outputs // CHANNEL_BLOCK), _steps(inputs), 32, 4)
        check_tensor("the packed weight", inputs.packed_weight, expected, torch.int32, volume.device)
        check_tensor("the packed bias", inputs.packed_bias, (expected[0] * 16,), torch.float32, volume.device)


def prepare(inputs: Inputs, limits: SharedMemory) -> Launch:
    """The launch for checked inputs; its output is [B, H, W, padded channels]."""
    volume = _channels_innermost(inputs.volume)
    B, _, D, H, W = volume.shape
    row_bytes = 4 * (8 * _steps(inputs) + 4)
    pixels = _choose_pixels(row_bytes, limits)
    what = "the lookup" if inputs.outputs == 0 else "the convolved lookup"
    output = allocate(what, inputs.buffer_shape, volume.dtype, volume.device)
    sources = (volume, inputs.correlation.contiguous(), inputs.disparity.contiguous())
    return Launch(
        kernel=KERNEL,
        defines=_defines(inputs, volume, pixels),
        grid=(-(-B * H * W // pixels), 1, 1),
        threads=THREADS,
        shared_bytes=pixels * row_bytes,
        tensors=(*sources, inputs.packed_weight, inputs.packed_bias, output),
        numbers=(B * H * W, H, W, D, inputs.correlation.shape[3]),
        output=output,
    )


def _steps(inputs: Inputs) -> int:
    """Steps of 8 words along a pixel's samples, as kernel.cu counts them."""
    slot_bytes = padded_channels(inputs.volume.shape[1] + 1, inputs.volume.dtype) * inputs.volume.dtype.itemsize
    return -(-inputs.levels * (2 * inputs.radius + 1) * slot_bytes // 32)


def _choose_pixels(row_bytes: int, limits: SharedMemory) -> int:
    """Most pixels of which two blocks fit a multiprocessor (a block reads all weights once), else what fits at all."""
    for room in (limits.multiprocessor // 2 - 1024, limits.block):  # 1 KiB a block is the system's
        for pixels in (64, 32, 16):
            if pixels * row_bytes <= min(room, limits.block):
                return pixels
    raise BackendError(
        f"16 pixels of {row_bytes} bytes do not fit this GPU's {limits.block} bytes of shared memory: use device cpu"
    )


def _defines(inputs: Inputs, volume: Tensor, pixels: int) -> Defines:
    channels, pitch = volume.shape[1], volume.stride(4)
    return (
        element_define(volume.dtype),
        ("CHANNELS", channels),
        ("PITCH", pitch),
        ("LOAD_BYTES", widest_load(pitch * volume.dtype.itemsize)),
        ("RADIUS", inputs.radius),
        ("LEVELS", inputs.levels),
        ("PIXELS", pixels),
        ("THREADS", THREADS),
        ("CONVOLVED", int(inputs.outputs > 0)),
        ("OUT_PITCH", inputs.buffer_shape[-1]),
        ("CORRELATION_FP32", int(inputs.correlation.dtype == torch.float32)),
    )


def _channels_innermost(volume: Tensor) -> Tensor:
    """The volume as [B, D, H, W, pitch >= C] in memory: as it is where it lies so (also with padding), else a copy."""
    _, C, D, H, W = volume.shape
    pitch = volume.stride(4)
    strides = (D * H * W * pitch, 1, H * W * pitch, W * pitch, pitch)
    # The padding of the last pixel is read with its channels: it must belong to the storage.
    end = volume.storage_offset() + volume.shape[0] * D * H * W * pitch
    complete = end * volume.element_size() <= volume.untyped_storage().nbytes()
    if pitch >= C and volume.stride() == strides and complete and volume.data_ptr() % VECTOR_BYTES == 0:
        return volume
    return volume.clone(memory_format=torch.channels_last_3d)


def _kernel(*inputs: Any) -> Tensor:
    """The kernel's result with its padding, [B, padded channels, H, W]."""
    return launch.run(prepare(Inputs(*inputs), launch.shared_memory(inputs[0].device))).permute(0, 3, 1, 2)


def _fake(*inputs: Any) -> Tensor:
    given = Inputs(*inputs)
    return given.volume.new_empty(given.buffer_shape).permute(0, 3, 1, 2)


_operator = cuda_operator(
    "geometry_lookup",
    "(Tensor volume, Tensor correlation, Tensor disparity, int radius, int levels, Tensor? packed_weight, "
    "Tensor? packed_bias, int outputs) -> Tensor",
    _kernel,
    _fake,
)

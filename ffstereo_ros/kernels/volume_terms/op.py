"""The public operation: checks, the torch custom operator, and the launch of the kernel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels import launch
from ffstereo_ros.kernels.compile import KernelSource
from ffstereo_ros.kernels.launch import Launch, element_define
from ffstereo_ros.kernels.operators import cuda_operator
from ffstereo_ros.kernels.tensors import (
    VECTOR_BYTES,
    channels_last,
    check_features,
    check_tensor,
    padded_channels,
    takes_kernel,
)
from ffstereo_ros.kernels.volume_terms import reference
from ffstereo_ros.kernels.volume_terms.reference import KINDS, REACH

KERNEL = KernelSource(Path(__file__).with_name("kernel.cu"), "volume_terms")
THREADS = 128
DEPTH = 8  # disparities of one thread: the left map is read once for all of them


def add_volume_terms_(volume: Tensor, left: Tensor, right: Tensor, negative_slope: float = 1.0) -> Tensor:
    """Add to volume [B, C, D, H, W], in place, the maps of both images, then LeakyReLU; returns the volume.

    ``left`` [B, 3 C, H, W] has a map for d = 0, one for all d between, one for d = D - 1. ``right`` [B, 6 C, H, W + 2]
    is read at column u + 2, u = x - d (nothing for u < -2): the same three, then three for the last column x = W - 1.
    `FirstConvolution` makes both maps. ``negative_slope`` 1 leaves negative values as they are.

    The volume lies channels last in memory and its channels fill whole 16-byte vectors. CUDA tensors that need no
    gradient get the kernel, all others the reference.

    Raises:
        ParameterError: shapes, dtypes, devices or the memory layout do not go together.
        BackendError: the GPU cannot run the kernel.
    """
    check(volume, left, right)
    if takes_kernel(volume, left, right):
        _operator(volume, left, right, negative_slope)
        return volume
    return volume.copy_(reference.add_volume_terms(volume, left, right, negative_slope))


def check(volume: Tensor, left: Tensor, right: Tensor) -> None:
    """Raise `ParameterError` for anything the kernel does not take."""
    check_features("volume", volume, 5)
    B, C, D, H, W = volume.shape
    check_tensor("left", left, (B, KINDS * C, H, W), volume.dtype, volume.device)
    check_tensor("right", right, (B, 2 * KINDS * C, H, W + REACH), volume.dtype, volume.device)
    if D < 2:
        raise ParameterError(f"volume has {D} disparity: at least 2 are needed")
    if padded_channels(C, volume.dtype) != C:
        needed = padded_channels(C, volume.dtype)
        raise ParameterError(f"volume has {C} channels: whole 16-byte vectors are needed, pad them to {needed}")
    if not volume.is_contiguous(memory_format=torch.channels_last_3d):
        raise ParameterError(f"volume has strides {volume.stride()}: its memory format must be channels_last_3d")
    if behind := volume.storage_offset() * volume.dtype.itemsize % VECTOR_BYTES:
        raise ParameterError(f"volume begins {behind} bytes behind a 16-byte boundary: it must begin at one, clone it")


def prepare(volume: Tensor, left: Tensor, right: Tensor, negative_slope: float) -> Launch:
    """The launch for checked inputs; its output is the volume itself."""
    B, C, D, H, W = volume.shape
    vectors = C * volume.dtype.itemsize // VECTOR_BYTES
    disparity_tiles = -(-D // DEPTH)
    return Launch(
        kernel=KERNEL,
        defines=(element_define(volume.dtype), ("CHANNELS", C), ("DEPTH", DEPTH), ("THREADS", THREADS)),
        grid=(-(-W * vectors // THREADS), H, B * disparity_tiles),
        threads=THREADS,
        shared_bytes=0,
        tensors=(volume, channels_last(left), channels_last(right)),
        numbers=(H, W, D, disparity_tiles, float(negative_slope)),
        output=volume,
    )


def _kernel(volume: Tensor, left: Tensor, right: Tensor, negative_slope: float) -> None:
    launch.run(prepare(volume, left, right, negative_slope))


def _fake(volume: Tensor, left: Tensor, right: Tensor, negative_slope: float) -> None:
    return None


_operator = cuda_operator(
    "add_volume_terms_",
    "(Tensor(a!) volume, Tensor left, Tensor right, float negative_slope) -> ()",
    _kernel,
    _fake,
    mutates=("volume",),
)

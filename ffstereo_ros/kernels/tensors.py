"""What every operation asks of its tensors: checks at the door, memory layout, and allocation with a clear refusal."""

from __future__ import annotations

import torch
from torch import Tensor

from ffstereo_ros.errors import OutOfMemoryError, ParameterError

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
VECTOR_BYTES = 16


def check_tensor(name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
    """Raise `ParameterError` unless ``tensor`` has exactly this shape, dtype and device."""
    if tuple(tensor.shape) != shape or tensor.dtype != dtype or tensor.device != device:
        raise ParameterError(
            f"{name} is {list(tensor.shape)} {tensor.dtype} on {tensor.device}: "
            f"expected {list(shape)} {dtype} on {device}"
        )


def check_features(name: str, tensor: Tensor, dimensions: int) -> None:
    """Raise `ParameterError` unless ``tensor`` has ``dimensions`` non-empty axes of float32, float16 or bfloat16."""
    if tensor.ndim != dimensions or tensor.dtype not in DTYPES or tensor.numel() == 0:
        raise ParameterError(
            f"{name} is {list(tensor.shape)} {tensor.dtype}: expected {dimensions} non-empty axes of float32, float16 "
            "or bfloat16"
        )


def takes_kernel(*tensors: Tensor | None) -> bool:
    """Whether the kernel may serve these: on CUDA, and nobody wants a gradient through it."""
    given = [tensor for tensor in tensors if tensor is not None]
    wants_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    return given[0].is_cuda and not wants_gradient


def padded_channels(channels: int, dtype: torch.dtype) -> int:
    """Channels of a pixel in memory: rounded up to whole 16-byte vectors (28 -> 32 in float16)."""
    per_vector = VECTOR_BYTES // dtype.itemsize
    return (channels + per_vector - 1) // per_vector * per_vector


def widest_load(*byte_counts: int) -> int:
    """The largest of 16, 8, 4, 2 bytes that divides all of ``byte_counts``."""
    return next(size for size in (16, 8, 4, 2) if all(count % size == 0 for count in byte_counts))


def channels_last(tensor: Tensor) -> Tensor:
    """[B, C, H, W] with the channels innermost in memory and the start at a vector; a copy only where it must be."""
    return starts_at_vector(tensor.contiguous(memory_format=torch.channels_last))


def starts_at_vector(tensor: Tensor) -> Tensor:
    """The tensor, copied if its first element does not lie at a multiple of 16 bytes (that of a view may not)."""
    return tensor if tensor.data_ptr() % VECTOR_BYTES == 0 else tensor.clone()


def allocate(what: str, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised tensor.

    Raises:
        OutOfMemoryError: the GPU has not that much free memory.
    """
    try:
        return torch.empty(shape, dtype=dtype, device=device)
    except torch.cuda.OutOfMemoryError as error:
        needed = torch.Size(shape).numel() * dtype.itemsize / 2**20
        free = torch.cuda.mem_get_info(device)[0] / 2**20
        raise OutOfMemoryError(
            f"{what} {list(shape)} takes {needed:.0f} MiB and the GPU has {free:.0f} MiB free: a volume with "
            f"{free / needed:.0%} of its entries fits; lower max_disparity or scale"
        ) from error

"""The public operation: checks, the torch custom operator, and the launch of the kernel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.kernels import launch
from ffstereo_ros.kernels.compile import KernelSource
from ffstereo_ros.kernels.convex_upsample import reference
from ffstereo_ros.kernels.convex_upsample.reference import FACTOR
from ffstereo_ros.kernels.launch import Launch, element_define
from ffstereo_ros.kernels.operators import cuda_operator
from ffstereo_ros.kernels.tensors import allocate, check_features, check_tensor, starts_at_vector, takes_kernel

KERNEL = KernelSource(Path(__file__).with_name("kernel.cu"), "convex_upsample")
THREADS = 64  # a row of 160 quarter-resolution pixels fills two and a half blocks
_MOST_ROWS = 65535  # blocks along y


def convex_upsample(disparity: Tensor, logits: Tensor, surface_radius: float | None = None) -> Tensor:
    """Disparity [B, 1, h, w] in quarter px (float32), logits [B, 9, 4h, 4w] -> [B, 1, 4h, 4w] in full px, float32.

    Softmax over the nine logits weights the 3x3 disparities around a pixel, row-major, zero outside the image (RAFT,
    arXiv 2003.12039, section 3.3). With ``surface_radius``, px, only those take part that lie within it of the one that
    has most weight within it (beside an edge the mean of all lies on neither surface), and outside the image its border
    goes on. CUDA tensors that need no gradient get the kernel, which reads both memory layouts of the logits; all
    others get the reference.

    Raises:
        ParameterError: shapes, dtypes or devices do not go together, or the radius is not above 0.
        BackendError: the GPU cannot run the kernel or has too little memory.
    """
    check(disparity, logits, surface_radius)
    if takes_kernel(disparity, logits):
        result: Tensor = _operator(disparity, logits, surface_radius)
        return result
    return reference.convex_upsample(disparity, logits, surface_radius)


def check(disparity: Tensor, logits: Tensor, surface_radius: float | None = None) -> None:
    """Raise `ParameterError` for anything the kernel does not take."""
    check_features("disparity", disparity, 4)
    B, _, h, w = disparity.shape
    check_features("logits", logits, 4)
    check_tensor("disparity", disparity, (B, 1, h, w), torch.float32, logits.device)
    check_tensor("logits", logits, (B, 9, FACTOR * h, FACTOR * w), logits.dtype, logits.device)
    if max(FACTOR * h, B) > _MOST_ROWS:
        raise ParameterError(f"logits is {list(logits.shape)}: at most {_MOST_ROWS} rows and batches")
    if surface_radius is not None and not surface_radius > 0:
        raise ParameterError(f"surface_radius is {surface_radius} px: must be above 0, or None for all neighbours")


def prepare(disparity: Tensor, logits: Tensor, surface_radius: float | None = None) -> Launch:
    """The launch for checked inputs; its output is [B, 1, 4h, 4w]."""
    B, _, h, w = disparity.shape
    last = logits.is_contiguous(memory_format=torch.channels_last)
    logits = starts_at_vector(logits if last else logits.contiguous())
    output = allocate("the upsampled disparity", (B, 1, FACTOR * h, FACTOR * w), torch.float32, disparity.device)
    return Launch(
        kernel=KERNEL,
        defines=(
            element_define(logits.dtype),
            ("CHANNELS_LAST", int(last)),
            ("ONE_SURFACE", int(surface_radius is not None)),
            ("THREADS", THREADS),
        ),
        grid=(-(-w // THREADS), FACTOR * h, B),
        threads=THREADS,
        shared_bytes=0,
        tensors=(disparity.contiguous(), logits, output),
        numbers=(B, h, w, float(surface_radius or 0)),
        output=output,
    )


def _kernel(disparity: Tensor, logits: Tensor, surface_radius: float | None) -> Tensor:
    return launch.run(prepare(disparity, logits, surface_radius))


def _fake(disparity: Tensor, logits: Tensor, surface_radius: float | None) -> Tensor:
    B, _, h, w = disparity.shape
    return disparity.new_empty((B, 1, FACTOR * h, FACTOR * w))


_operator = cuda_operator(
    "convex_upsample", "(Tensor disparity, Tensor logits, float? surface_radius) -> Tensor", _kernel, _fake
)

"""A network made ready for inference: the same stages, computed faster."""

from __future__ import annotations

import copy

import torch

from ffstereo_ros.network.inference.cpu_network import arrange_for_cpu
from ffstereo_ros.network.inference.folding import fold
from ffstereo_ros.network.inference.layout import arrange_for_speed
from ffstereo_ros.network.model import FastFoundationStereo


def prepare_for_inference(
    model: FastFoundationStereo, device: torch.device, dtype: torch.dtype
) -> FastFoundationStereo:
    """A copy of ``model`` that computes the same, faster; the one given stays as it is.

    Batch norms and layer scales are folded in the weights' own precision before the cast. The result runs on any device
    and can be exported; `prepare_for_cpu` goes further.
    """
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    fold(prepared)
    prepared.to(device=device, dtype=dtype)
    arrange_for_speed(prepared)
    return prepared


def prepare_for_cpu(model: FastFoundationStereo, dtype: torch.dtype) -> FastFoundationStereo:
    """A copy of ``model`` for inference on the CPU in float32 or bfloat16; the one given stays as it is.

    Disparities, softmax and norms stay in float32.
    """
    return arrange_for_cpu(prepare_for_inference(model, torch.device("cpu"), dtype))

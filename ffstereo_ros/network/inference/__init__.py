"""A network made ready for inference: the same stages, computed faster."""

from __future__ import annotations

import copy

import torch

from ffstereo_ros.network.inference.folding import fold
from ffstereo_ros.network.model import FastFoundationStereo


def prepare_for_inference(
    model: FastFoundationStereo, device: torch.device, dtype: torch.dtype
) -> FastFoundationStereo:
    """A copy of ``model`` that computes the same, faster; the one given stays as it is.

    Batch norms and layer scales are folded in the weights' own precision before the cast. The result runs anywhere and
    can be exported.
    """
    prepared = copy.deepcopy(model).eval().requires_grad_(False)
    fold(prepared)
    return prepared.to(device=device, dtype=dtype)

"""Tensors taken to another device as they lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on ``device`` with the strides, the offset and the whole storage of ``tensor``.

    ``Tensor.to`` keeps the strides of dense tensors alone: a view's padding would stay behind, with the NaN in it that
    must never be read and the wide loads that it allows.
    """
    storage = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
    return storage.to(device, copy=True).as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())

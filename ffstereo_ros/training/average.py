"""An exponential moving average of a network's weights: steadier on real scenes than any single step's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Averages every float tensor of the state (batch norm statistics too); others are copied."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors: dict[str, Tensor] = {name: t.detach().clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves towards the model after ``step`` steps; faster early on, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

"""Seeded random numbers for one scene: the same seed draws the same numbers on any machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


class Draw:
    """Scalar and tensor draws from one `torch.Generator` on the CPU, whatever device later renders the scene."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(torch.rand((), generator=self._generator))

    def log_uniform(self, low: float, high: float) -> float:
        """A number in [low, high) whose logarithm is uniform; both limits are positive."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def normal(self, deviation: float) -> float:
        """A zero-mean normal number."""
        return deviation * float(torch.randn((), generator=self._generator))

    def integer(self, low: int, high: int) -> int:
        """A whole number in low .. high - 1."""
        return int(torch.randint(low, high, (), generator=self._generator))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return float(torch.rand((), generator=self._generator)) < probability

    def choice(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the options, each as likely as its weight."""
        if weights is None:
            return options[self.integer(0, len(options))]
        place = self.uniform(0.0, sum(weights))
        for option, weight in zip(options, weights):
            place -= weight
            if place < 0:
                return option
        return options[-1]

    def rand(self, *shape: int) -> torch.Tensor:
        """Uniform numbers in [0, 1)."""
        return torch.rand(shape, generator=self._generator)

    def randn(self, *shape: int) -> torch.Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self._generator)

    def colour(self, saturation: float = 0.25) -> torch.Tensor:
        """An RGB colour [3] in 0..1: a random grey with a random tint, clear of both ends, where exposure clips."""
        grey = self.uniform(0.18, 0.76)
        tint = (self.rand(3) - 0.5) * 2 * saturation * self.uniform(0.0, 1.0)
        return (grey + tint).clamp(0.13, 0.81)

"""Watches the norm of the gradients: a run must not go on for hours on steps that teach it nothing."""

from __future__ import annotations

import math

from ffstereo_ros.errors import FFStereoError


class GradientWatch:
    """``norm``: the last step's, before clipping. ``skipped``: steps so far whose gradient was not finite."""

    def __init__(self, patience: int) -> None:
        self.norm, self.skipped = 0.0, 0
        self._patience, self._in_a_row = patience, 0

    def usable(self, norm: float) -> bool:
        """Whether to take a step whose gradient has this norm.

        Raises:
            FFStereoError: ``patience`` steps in a row had no finite gradient.
        """
        self.norm = norm
        if math.isfinite(norm):
            self._in_a_row = 0
            return True
        self.skipped += 1
        self._in_a_row += 1
        if self._in_a_row >= self._patience:
            raise FFStereoError(
                f"the norm of the gradients was {norm} in {self._in_a_row} steps running: lower --learning-rate and "
                "--resume; if that does not help, an operation of this PyTorch and processor gives wrong gradients"
            )
        return False

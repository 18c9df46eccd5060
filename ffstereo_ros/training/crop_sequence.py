"""Which size each batch of a run has."""

from __future__ import annotations

from dataclasses import dataclass

from ffstereo_ros.training.scenes.draw import Draw
from ffstereo_ros.training.settings import CropPlan


@dataclass(frozen=True)
class CropSequence:
    """The crops of a run, drawn by its ``seed``: batch n has the same one in each of the run's processes.

    They wait for each other after every step. Where each drew its own, from 256x512 to 416x832 px, two processes on two
    cores were busy for 68 and 79 % of the time.
    """

    seed: int
    crops: tuple[CropPlan, ...]

    def plan(self, number: int) -> CropPlan:
        """What batch ``number`` is cut to."""
        return Draw(self.seed * 1_000_003 + number).choice(self.crops, [crop.weight for crop in self.crops])

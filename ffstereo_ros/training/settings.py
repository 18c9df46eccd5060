"""What one training run is asked to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ffstereo_ros.errors import ParameterError

MAX_BATCH = 255


@dataclass(frozen=True)
class CropPlan:
    """Batches of ``batch`` pairs of ``height`` x ``width`` px over all processes, drawn with ``weight``.

    Nothing in a generated scene is nearer than ``max_disparity`` px, the volume's depth. Sizes are multiples of 32.
    """

    height: int
    width: int
    batch: int
    max_disparity: int
    weight: float


# Most steps small and cheap: time grows with the volume, and most scenes need a third of 192 px. Some large: blank
# walls need more context than the small crop holds, and of what is 180 px away in a crop of 384 half is out of sight.
DEFAULT_CROPS = (
    CropPlan(192, 384, 4, 64, 0.28),
    CropPlan(192, 384, 4, 96, 0.34),
    CropPlan(192, 384, 4, 192, 0.12),
    CropPlan(256, 512, 2, 96, 0.09),
    CropPlan(256, 512, 2, 192, 0.07),
    CropPlan(320, 640, 2, 192, 0.10),
)
# For the end of a run: what is normalised or attended to over the whole image, and how far a blank wall reaches, are
# then as in the images of a camera. The deepest volume is that of scale 2, where 256 px reach as far as 128 px do.
LARGE_CROPS = (
    CropPlan(256, 512, 2, 96, 0.15),
    CropPlan(320, 640, 2, 128, 0.3),
    CropPlan(320, 640, 2, 192, 0.2),
    CropPlan(416, 832, 2, 192, 0.2),
    CropPlan(416, 832, 2, 256, 0.15),
)
TINY_CROPS = (CropPlan(64, 128, 2, 64, 1.0),)
CROPS = {"mixed": DEFAULT_CROPS, "large": LARGE_CROPS, "tiny": TINY_CROPS}
DEFAULT_BATCH = 4
DEFAULT_ENLARGED = 0.4
DEFAULT_STEPS = 1000
# `crop_sequence.batch_seed` of a process's stream of batches stays below 2^63, for 10^13 batches.
_MAX_STREAM = 36_000_000_000


@dataclass(frozen=True)
class TrainSettings:
    """Where the run starts, how long it lasts, and how it learns.

    The run ends after ``steps`` steps or ``minutes`` minutes, whichever comes first, and after 1000 steps where neither
    is given; the learning rate follows the part of that which has passed, so that it reaches zero at the end either
    way. Steps take turns at 1 .. ``iterations`` refinements. ``enlarged`` is the share of generated pairs of which the
    cameras saw less than the images' size. With ``frozen_norms`` batch norms keep the statistics of the weights the run
    begins with, as they do when matching. With ``robust_loss`` large errors of the disparity count little. Several
    ``processes`` share CPU cores; ``auto`` is then no GPU.
    """

    output: Path
    preset: str = "mini"
    steps: int | None = None
    minutes: float | None = None
    init: Path | None = None
    data: Path | None = None
    evaluate_on: Path | None = None
    device: str = "auto"
    resume: bool = False
    seed: int = 0
    learning_rate: float = 8e-4
    warmup: float = 0.03
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    average_decay: float = 0.999
    iterations: int = 2
    max_disparity: int = 192
    crops: tuple[CropPlan, ...] = DEFAULT_CROPS
    enlarged: float = DEFAULT_ENLARGED
    frozen_norms: bool = False
    robust_loss: bool = False
    workers: int = 1
    processes: int = 1
    save_minutes: float = 3.0
    evaluate_minutes: float = 20.0

    @property
    def step_limit(self) -> int | None:
        """Steps after which the run ends; None where only minutes end it."""
        if self.steps is None and self.minutes is None:
            return DEFAULT_STEPS
        return self.steps

    def passed(self, steps: int, minutes: float) -> float:
        """The part of the run that lies behind after so many, by steps or by minutes, whichever is further."""
        by_steps = 0.0 if self.step_limit is None else steps / self.step_limit
        by_minutes = 0.0 if self.minutes is None else minutes / self.minutes
        return max(by_steps, by_minutes)

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("iterations", 1), ("processes", 1), ("workers", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ParameterError(f"{name} is {value}: at least {least} is needed")
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(f"minutes is {self.minutes:g}: must be above 0")
        if not 0 < self.learning_rate < 1:
            raise ParameterError(f"learning rate is {self.learning_rate:g}: must lie between 0 and 1")
        if not 0 <= self.enlarged <= 1:
            raise ParameterError(f"enlarged is {self.enlarged:g}: must be a share from 0 to 1")
        if self.frozen_norms and self.init is None and not self.resume:
            raise ParameterError("frozen norms without --init: a fresh network has no statistics to keep; give --init")
        self._check_device()
        self._check_seed()

    def _check_device(self) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?", self.device):
            raise ParameterError(f"device is '{self.device}': allowed are auto, cpu, cuda and cuda:N")
        if self.processes > 1 and self.device.startswith("cuda"):
            raise ParameterError(
                f"processes is {self.processes} with device '{self.device}': a run on a GPU has 1 process, several "
                "share the cores of a CPU; leave --processes out, or give --device cpu"
            )

    def _check_seed(self) -> None:
        """Each process has a stream of batches of its own: stream ``seed * processes + rank``."""
        largest = (_MAX_STREAM - (self.processes - 1)) // self.processes
        if abs(self.seed) > largest:
            raise ParameterError(
                f"seed is {self.seed}: allowed is -{largest} to {largest} with {self.processes} process(es)"
            )


def with_batch(crops: tuple[CropPlan, ...], batch: int) -> tuple[CropPlan, ...]:
    """Steps of ``batch`` pairs in place of four, and of the large crops as many times more or fewer.

    Raises:
        ParameterError: fewer than 1 or more than 255 pairs.
    """
    if not 1 <= batch <= MAX_BATCH:
        raise ParameterError(f"batch is {batch} pairs: allowed is 1 to {MAX_BATCH} (default {DEFAULT_BATCH})")
    return tuple(replace(crop, batch=max(1, crop.batch * batch // DEFAULT_BATCH)) for crop in crops)


def name_and_batch(crops: tuple[CropPlan, ...]) -> tuple[str, int] | None:
    """Of which of `CROPS`, and in batches of how many, these are; None for others."""
    batches = (DEFAULT_BATCH, *range(1, MAX_BATCH + 1))
    known = ((name, batch) for name in CROPS for batch in batches)
    return next(((name, batch) for name, batch in known if with_batch(CROPS[name], batch) == crops), None)


def share(crops: tuple[CropPlan, ...], processes: int) -> tuple[CropPlan, ...]:
    """What each of ``processes`` takes of every batch, at least one pair."""
    return tuple(replace(crop, batch=max(1, crop.batch // processes)) for crop in crops)


def learning_rate_factor(progress: float, warmup: float) -> float:
    """One cycle (Smith and Topin, arXiv 1708.07120) with linear sides: 0.04 to 1 over ``warmup``, then down to 0.

    ``progress`` is the part of the run that has passed, 0 to 1.
    """
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    return max(0.0, (1 - progress) / (1 - warmup))

"""How long a network takes on this CPU as it is run, against its plain modules, and where the time goes."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ffstereo_ros.network.inference import prepare_for_cpu
from ffstereo_ros.network.inference.layout import arrange_for_speed, channels_innermost
from ffstereo_ros.network.model import FastFoundationStereo

# Method of the network, or what one of them gives, -> what people call the stage.
_STAGES = {
    "encode": "features of both images",
    "match": "volume and its filtering",
    "context": "context",
    "make_lookup": "lookup: pyramids",
    "lookup": "lookup: samples",
    "update_block": "update: motion, GRU, disparity",
    "upsample": "upsampling",
}


@dataclass(frozen=True)
class Workload:
    """One frame: images uint8 [2, H, W, 3], refinement iterations, search range in px, and how often it is run."""

    images: Tensor
    iterations: int
    max_disparity: int
    runs: int


@dataclass
class PathFigures:
    """One way of running the network.

    Attributes:
        seconds: of every run.
        stages: seconds by stage, of one run more.
        gflop: of convolutions and matrix products, 2 for a multiplication with addition.
        gflop_per_second: what a 3x3 convolution of 128 channels reaches in this arithmetic.
    """

    seconds: list[float] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    gflop: float = 0.0
    gflop_per_second: float = 0.0

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def floor(self) -> float:
        """Seconds that the arithmetic alone takes at the convolution's speed."""
        return self.gflop / self.gflop_per_second


@dataclass
class Figures:
    """Both ways, and the memory of the process in MB: before the first frame and the most while ours ran."""

    ours: PathFigures
    plain: PathFigures
    memory_before: float
    memory_peak: float

    @property
    def gain(self) -> float:
        """How many times faster ours is, by the medians."""
        return self.plain.median / self.ours.median


@torch.inference_mode()
def measure(read: Callable[[], FastFoundationStereo], dtype: torch.dtype, load: Workload) -> Figures:
    """Run both ways in turn, so that what disturbs one disturbs the other; ours alone first, for its memory.

    ``read`` gives the network; it is read again for the plain way, since a backend does not keep it.
    """
    fast = prepare_for_cpu(read(), dtype)
    left, right = load.images.permute(0, 3, 1, 2).float().contiguous().split(1)
    before = _memory()

    def run(network: FastFoundationStereo) -> float:
        begin = time.perf_counter()
        network(left, right, load.iterations, load.max_disparity)
        return time.perf_counter() - begin

    run(fast)
    peak = _memory()
    plain = read().eval()
    run(plain)
    ways = ((fast, PathFigures()), (plain, PathFigures()))
    for _ in range(load.runs):
        for network, figures in ways:
            run(network)  # the caches are those of the other way
            figures.seconds.append(run(network))
    for (network, figures), arithmetic in zip(ways, (dtype, torch.float32)):
        figures.gflop_per_second = _convolution_speed(arithmetic)
        figures.stages = _by_stage(network, partial(run, network))
        with FlopCounterMode(display=False) as counter:
            run(network)
        figures.gflop = counter.get_total_flops() / 1e9
    return Figures(ways[0][1], ways[1][1], before, peak)


def _memory() -> float:
    """The largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _by_stage(network: FastFoundationStereo, run: Callable[[], float]) -> dict[str, float]:
    """Seconds of one run by stage; the network is as it was afterwards."""
    spent = dict.fromkeys(_STAGES.values(), 0.0)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            begin = time.perf_counter()
            result = function(*args)
            spent[name] += time.perf_counter() - begin
            return timed(_STAGES["lookup"], result) if name == _STAGES["make_lookup"] else result

        return call

    places: dict[str, tuple[nn.Module, str]] = {name: (network, name) for name in _STAGES if name != "lookup"}
    places["update_block"] = (network.update_block, "forward")
    for stage, (owner, name) in places.items():
        setattr(owner, name, timed(_STAGES[stage], getattr(owner, name)))
    try:
        total = run()
    finally:
        for owner, name in places.values():
            delattr(owner, name)
    return {**spent, "rest": total - sum(spent.values())}


def _convolution_speed(dtype: torch.dtype) -> float:
    """GFLOP/s of a dense 3x3 convolution of 128 channels at 120x160, the best of ten."""
    convolution = nn.Conv2d(128, 128, 3, padding=1).to(dtype)
    arrange_for_speed(convolution)
    image: Tensor = channels_innermost(torch.rand(1, 128, 120, 160, dtype=dtype))
    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        F.conv2d(image, convolution.weight, padding=1)
        seconds.append(time.perf_counter() - begin)
    return 2 * 9 * 128 * 128 * 120 * 160 / min(seconds) / 1e9

"""The network's time on a GPU: eager, compiled, on our kernels, as the node runs it, and by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from ffstereo_ros.backends.cuda_frames import CudaFrames, cudnn_settings, record_graph
from ffstereo_ros.backends.device_maps import to_host
from ffstereo_ros.backends.pytorch import Forward, NetworkSettings, network_forward
from ffstereo_ros.backends.torch_device import Placement
from ffstereo_ros.kernels.measure import CudaTimer, Timer
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.inference.kernel_network import KernelNetwork, with_kernels
from ffstereo_ros.network.model import FastFoundationStereo

# Methods of the network that follow one another and make up all of it.
STAGES = ("encode", "build_volume", "aggregate", "context", "make_lookup", "refine")

_FRAMES = 50


@dataclass(frozen=True)
class NetworkRow:
    """Milliseconds for one pair.

    Attributes:
        eager, compiled: the plain network, and that by torch.compile (NaN where it failed or was left out).
        kernels: the network on our kernels, each launched by itself.
        graph: that as one CUDA graph.
        frame: that with the images' copy, the disparity's at model size and the waiting.
        stages: each stage as a graph of its own.
        peak_mb: most memory that the network on our kernels takes on the GPU while it runs, weights included, MB.
    """

    eager: float
    compiled: float
    kernels: float
    graph: float
    frame: float
    stages: dict[str, float]
    peak_mb: float


@torch.inference_mode()
def measure_network(
    model: FastFoundationStereo,
    placement: Placement,
    settings: NetworkSettings,
    images: torch.Tensor,
    with_compiled: bool = True,
) -> NetworkRow:
    """Times a network on one pair, ``images`` uint8 [2, H, W, 3] RGB, on the GPU of ``placement``.

    All ways run with cuDNN as the node sets it. ``with_compiled`` adds torch.compile, which takes minutes.
    """

    def prepared() -> FastFoundationStereo:
        return prepare_for_inference(model, placement.device, placement.dtype)

    with cudnn_settings():
        before = torch.cuda.memory_allocated()
        network, pair = with_kernels(prepared()), images.to(placement.device)
        forward = network_forward(network, settings)
        peak = (_most_allocated(forward, pair) - before) / 1e6
        timer = CudaTimer()  # after the peak is known: what empties the caches takes 512 MiB
        plain = network_forward(prepared(), settings)
        eager, compiled = _milliseconds(timer, plain, pair), float("nan")
        if with_compiled:
            compiled = _compiled(timer, plain, pair)
        kernels = _milliseconds(timer, forward, pair)
        graph = 1000 * timer(_record(lambda: forward(pair, None)))
        stages = stage_times(network, lambda: forward(pair, None), timer, _record)
        return NetworkRow(eager, compiled, kernels, graph, _frame(forward, placement, images), stages, peak)


def _most_allocated(forward: Forward, pair: torch.Tensor) -> int:
    """Bytes on the GPU during a forward pass, after one in which cuDNN chose its algorithms."""
    forward(pair, None)
    torch.cuda.reset_peak_memory_stats()
    forward(pair, None)
    return torch.cuda.max_memory_allocated()


def stage_times(
    network: KernelNetwork,
    run: Callable[[], object],
    timer: Timer,
    record: Callable[[Callable[[], object]], Callable[[], object]],
) -> dict[str, float]:
    """Milliseconds of every stage, called again with what it is given while ``run`` runs the network."""
    calls: dict[str, Callable[[], object]] = {}

    def listened(name: str) -> Callable[..., object]:
        method = getattr(network, name)

        def call(*arguments: object) -> object:
            calls[name] = lambda: method(*arguments)
            return method(*arguments)

        return call

    for name in STAGES:
        setattr(network, name, listened(name))
    try:
        run()
    finally:
        for name in STAGES:
            delattr(network, name)
    return {name: 1000 * timer(record(calls[name])) for name in STAGES}


def _milliseconds(timer: Timer, forward: Forward, pair: torch.Tensor) -> float:
    return 1000 * timer(lambda: forward(pair, None))


def _compiled(timer: Timer, forward: Forward, pair: torch.Tensor) -> float:
    try:
        return _milliseconds(timer, torch.compile(forward), pair)
    except Exception:  # it needs a C++ compiler and Triton, and fails in as many ways
        return float("nan")
    finally:
        torch.compiler.reset()  # else a second size is compiled for any size, and what was compiled stays in memory


def _frame(forward: Forward, placement: Placement, images: torch.Tensor) -> float:
    left, right = images.numpy()
    frames, times = CudaFrames(forward, placement.device), []
    for _ in range(_FRAMES):
        began = time.perf_counter()
        maps = frames.run(left, right)
        with frames.stage():
            to_host(maps[0])
        times.append(time.perf_counter() - began)
    frames.close()
    return 1000 * median(times)


def _record(enqueue: Callable[[], object]) -> Callable[[], None]:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        return record_graph(enqueue, stream, torch.cuda.graph_pool_handle())

"""``ffstereo bench network --device cuda``: eager, compiled, on our kernels, as one graph, and by stage."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ffstereo_ros import markdown
from ffstereo_ros.cli.bench_files import write_figures
from ffstereo_ros.cli.bench_images import scene_images
from ffstereo_ros.cli.build_engine import parse_size
from ffstereo_ros.errors import BackendError
from ffstereo_ros.params import BY_NAME

if TYPE_CHECKING:
    from ffstereo_ros.backends.cuda_measure import NetworkRow
    from ffstereo_ros.network.model import FastFoundationStereo

_METHOD = """\
# The network on a GPU

`ffstereo bench network WEIGHTS --device cuda --json docs/benchmarks/network_cuda.json --report
docs/benchmarks/network_cuda.md` writes this page.

Milliseconds for one pair, medians of 50 runs, all with cuDNN's fastest algorithms (found by trying them) and float32
never computed as TF32. Eager: the plain modules, norms folded. Compiled: those by torch.compile (nan: it failed, or was
left out). Kernels: on our CUDA kernels, launched one by one. Graph: that as one CUDA graph. Frame: the graph with the
images' upload, the disparity's download and the waiting, as the node pays for it at scale 1. Stages: each as its own
graph. Peak: the most memory that the network on our kernels takes while it runs, weights included.
"""

SIZES = ("480x640", "576x960")
ITERATIONS = (4, 8)
_COLUMNS = ("weights", "size", "iterations", "eager", "compiled", "kernels", "graph", "frame", "peak MB")


@dataclass(frozen=True)
class Case:
    """What was run: name of the weights, rows x columns in px, iterations."""

    weights: str
    size: str
    iterations: int


Rows = Sequence[tuple[Case, "NetworkRow"]]


def run(args: argparse.Namespace) -> int:
    """Measures every network at every size, prints the tables, and writes what was asked for.

    Raises:
        FFStereoError: there is no GPU, no such weights, a setting that is not allowed, or our kernels cannot run.
    """
    from ffstereo_ros.factory import require_torch

    require_torch()
    BY_NAME["max_disparity"].check(args.max_disparity)
    for size in args.size or SIZES:
        parse_size(size)
    for iterations in args.iterations or ITERATIONS:
        BY_NAME["iterations"].check(iterations)
    rows = _measure(args)
    from ffstereo_ros.machine import machine

    facts = {**machine(), "precision": args.precision, "max_disparity": f"{args.max_disparity} px"}
    tables = f"{table(rows)}\n\n{stage_table(rows)}"
    print(tables)
    figures = {"machine": facts, "network": [{**asdict(case), **asdict(row)} for case, row in rows]}
    write_figures(args, figures, markdown.page(_METHOD, facts, tables))
    return 0


def _measure(args: argparse.Namespace) -> list[tuple[Case, NetworkRow]]:
    import torch

    from ffstereo_ros.backends.torch_device import choose_placement, why_no_cuda

    if not torch.cuda.is_available():
        raise BackendError(f"this is measured on an NVIDIA GPU: {why_no_cuda()}; run it on a machine with one")
    from ffstereo_ros.backends.cuda_measure import measure_network
    from ffstereo_ros.backends.pytorch import NetworkSettings

    placement, rows = choose_placement("cuda", args.precision), []
    scenes = [scene_images(*parse_size(size)) for size in args.size or SIZES]
    for weights in args.weights or ["mini"]:
        model = _network(weights)
        for images, iterations in itertools.product(scenes, args.iterations or ITERATIONS):
            settings = NetworkSettings(iterations, args.max_disparity)
            row = measure_network(model, placement, settings, images, with_compiled=args.compile)
            height, width = images.shape[1:3]
            rows.append((Case(weights, f"{height}x{width}", iterations), row))
    return rows


def _network(weights: str) -> FastFoundationStereo:
    from ffstereo_ros.factory import find_weights
    from ffstereo_ros.network.checkpoint.store import build_model, load_weights

    return build_model(load_weights(find_weights(weights)))


def table(rows: Rows) -> str:
    """The whole network as a Markdown table, ms."""
    lines = [(*_cells(case), *(f"{time:.2f}" for time in _times(row)), f"{row.peak_mb:.0f}") for case, row in rows]
    return markdown.table(_COLUMNS, lines)


def stage_table(rows: Rows) -> str:
    """The stages as a Markdown table, ms."""
    names = tuple(rows[0][1].stages) if rows else ()
    lines = [(*_cells(case), *(f"{row.stages[name]:.2f}" for name in names)) for case, row in rows]
    return markdown.table((*_COLUMNS[:3], *names), lines)


def _cells(case: Case) -> tuple[str, str, str]:
    return case.weights, case.size, str(case.iterations)


def _times(row: NetworkRow) -> tuple[float, ...]:
    return row.eager, row.compiled, row.kernels, row.graph, row.frame

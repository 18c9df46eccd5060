"""``ffstereo bench network-cuda``: the network on a GPU: eager, compiled, on our kernels, as one graph, by stage."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ffstereo_ros.cli.build_engine import parse_size
from ffstereo_ros.errors import BackendError
from ffstereo_ros.params import BY_NAME

if TYPE_CHECKING:
    from ffstereo_ros.backends.cuda_measure import NetworkRow

_METHOD = """\
# The network on a GPU

`ffstereo bench network-cuda WEIGHTS --json docs/benchmarks/network_cuda.json --report docs/benchmarks/network_cuda.md`
writes this page.

Milliseconds for one pair, medians of 50 runs. Eager: the plain modules, norms folded. Compiled: those by torch.compile.
Kernels: on our CUDA kernels, launched one by one. Graph: that as one CUDA graph. Frame: the graph with the images'
upload, the answer's download and the waiting, as the node pays for it. Stages: each as a graph of its own.
"""

_COLUMNS = ("size", "iterations", "eager", "compiled", "kernels", "graph", "frame", "peak MB")

Rows = Sequence[tuple[str, int, "NetworkRow"]]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("network-cuda", help="the network on a GPU, as a whole and by stage")
    parser.add_argument("weights", metavar="WEIGHTS", nargs="?", default="", help="a file or a name; default: shipped")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the figures go as Markdown, with the method")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as JSON")
    parser.add_argument(
        "--sizes", nargs="+", default=["480x640", "576x960"], metavar="HxW", help="image sizes, rows x columns, px"
    )
    parser.add_argument("--iterations", nargs="+", type=int, default=[4, 8], metavar="N", help="of the refinement")
    parser.add_argument("--max-disparity", type=int, default=192, metavar="N", help="px (default: %(default)s)")
    parser.add_argument("--precision", choices=("fp16", "bf16", "fp32"), default="fp16", help="default: %(default)s")
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures, prints the tables, and writes what was asked for.

    Raises:
        FFStereoError: there is no GPU, no such weights, or our kernels cannot run.
    """
    sizes = [parse_size(text) for text in args.sizes]
    for iterations in args.iterations:
        BY_NAME["iterations"].check(iterations)
    BY_NAME["max_disparity"].check(args.max_disparity)
    rows = _measure(sizes, args)
    from ffstereo_ros.evaluation.timing import machine

    facts = {**machine(), "precision": args.precision, "max_disparity": f"{args.max_disparity} px"}
    tables = f"{table(rows)}\n\n{stage_table(rows)}"
    print(tables)
    if args.json is not None:
        measured = [{"size": size, "iterations": iterations, **asdict(row)} for size, iterations, row in rows]
        args.json.write_text(json.dumps({"machine": facts, "network": measured}, indent=1) + "\n", encoding="utf-8")
    if args.report is not None:
        described = "\n".join(f"- {name}: {value}" for name, value in facts.items())
        text = f"{_METHOD}\n## Machine\n\n{described}\n\n## Figures\n\n{tables}\n"
        args.report.write_text(text, encoding="utf-8")
    return 0


def _measure(sizes: list[tuple[int, int]], args: argparse.Namespace) -> list[tuple[str, int, NetworkRow]]:
    from ffstereo_ros.factory import find_weights, require_torch

    require_torch()
    import torch

    from ffstereo_ros.backends.torch_device import choose_placement, why_no_cuda

    if not torch.cuda.is_available():
        raise BackendError(f"this is measured on an NVIDIA GPU: {why_no_cuda()}; run it on a machine with one")
    from ffstereo_ros.backends.cuda_measure import measure_network
    from ffstereo_ros.backends.pytorch import NetworkSettings
    from ffstereo_ros.network.checkpoint.store import build_model, load_weights

    placement = choose_placement("cuda", args.precision)
    model = build_model(load_weights(find_weights(args.weights)))
    rows = []
    for (height, width), iterations in itertools.product(sizes, args.iterations):
        settings = NetworkSettings(iterations, args.max_disparity)
        row = measure_network(model, placement, settings, (height, width))
        rows.append((f"{height}x{width}", iterations, row))
    return rows


def table(rows: Rows) -> str:
    """The whole network as a Markdown table, ms."""
    lines = [
        (size, str(iterations), *(f"{time:.2f}" for time in _times(row)), f"{row.peak_mb:.0f}")
        for size, iterations, row in rows
    ]
    return _markdown(_COLUMNS, lines)


def stage_table(rows: Rows) -> str:
    """The stages as a Markdown table, ms."""
    names = tuple(rows[0][2].stages) if rows else ()
    lines = [(size, str(iterations), *(f"{row.stages[name]:.2f}" for name in names)) for size, iterations, row in rows]
    return _markdown(("size", "iterations", *names), lines)


def _times(row: NetworkRow) -> tuple[float, ...]:
    return row.eager, row.compiled, row.kernels, row.graph, row.frame


def _markdown(columns: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, ("---",) * len(columns), *lines))

"""``ffstereo bench network``: the network on this CPU as the torch backend runs it, against its plain modules.

With ``--device cuda`` the GPU is measured instead (`bench_network_cuda`).
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ffstereo_ros import markdown
from ffstereo_ros.cli import bench_network_cuda
from ffstereo_ros.cli.bench_files import add_figure_files, write_figures
from ffstereo_ros.cli.bench_images import scene_images
from ffstereo_ros.cli.build_engine import parse_size
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.params import BY_NAME

if TYPE_CHECKING:
    from ffstereo_ros.network.inference.measure import Figures
    from ffstereo_ros.network.model import FastFoundationStereo

_METHOD = """\
# The network on a CPU

`ffstereo bench network WEIGHTS --json docs/benchmarks/network_cpu.json --report docs/benchmarks/network_cpu.md` writes
this page.

"As run" is what the torch backend does on a CPU; "plain" are the same modules one after another in float32, as torch
runs them unprepared. Both see the same generated scene in turn, in one process, so that what disturbs one disturbs the
other; each timed frame follows one of its own kind. The floor is the time that the convolutions and matrix products
alone would take if all of them were as fast as a 3x3 convolution of 128 channels, measured in the same run and the same
arithmetic. Memory is the process's largest resident size before the plain modules are made: torch and the reading of
the weights included.
"""
_MEMORY_LIMIT = 1000  # MB
_SIZE, _ITERATIONS = "480x640", 8

_COLUMNS = ("weights", "iterations", "way", "median s", "least s", "most s", "GFLOP", "GFLOP/s", "floor s", "gain")


@dataclass(frozen=True)
class Measured:
    """One network's figures, with how many iterations it ran and in which arithmetic."""

    name: str
    iterations: int
    precision: str
    figures: Figures


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("network", help="the network, against its plain modules and by stage")
    parser.add_argument("weights", nargs="*", metavar="WEIGHTS", help="files or names (default: mini)")
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="cuda measures every --size with each of --iterations; the CPU takes one of each (default: %(default)s)",
    )
    add_figure_files(parser)
    sizes, iterations = " and ".join(bench_network_cuda.SIZES), " and ".join(map(str, bench_network_cuda.ITERATIONS))
    parser.add_argument(
        "--size",
        nargs="+",
        metavar="HxW",
        help=f"image sizes, rows x columns, px (default: {_SIZE}; with cuda {sizes})",
    )
    parser.add_argument(
        "--iterations",
        nargs="+",
        type=int,
        metavar="N",
        help=f"of the refinement; on the CPU at most as many as the weights allow (default: {_ITERATIONS}; with cuda "
        f"{iterations})",
    )
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="cuda: leaves out torch.compile, which takes minutes"
    )
    parser.add_argument("--max-disparity", type=int, default=192, metavar="N", help="px (default: %(default)s)")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto", help="default: %(default)s"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of the CPU (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="CPU: of each way (default: %(default)s)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures every network in a process of its own, prints the tables, and writes what was asked for.

    Raises:
        FFStereoError: no torch, no such weights, or settings that do not fit them.
    """
    if args.device == "cuda":
        return bench_network_cuda.run(args)
    from ffstereo_ros.factory import require_torch

    require_torch()
    args = _checked(args)
    measured = []
    for weights in args.weights or ["mini"]:
        # A process of its own: the largest memory is known for a whole process only.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            measured.append(process.submit(_measure, weights, args).result())
    text = tables(measured)
    print(f"## Figures\n\n{text}")
    _write(args, measured, text)
    return 0


def _checked(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments with one size and one number of iterations, all of them allowed."""
    chosen = {"size": args.size or [_SIZE], "iterations": args.iterations or [_ITERATIONS]}
    for name, values in chosen.items():
        if len(values) > 1:
            raise ParameterError(f"--{name} has {len(values)} values: the CPU takes one, --device cuda takes more")
    size, iterations = chosen["size"][0], chosen["iterations"][0]
    parse_size(size)
    BY_NAME["iterations"].check(iterations)
    BY_NAME["max_disparity"].check(args.max_disparity)
    for name, value in (("--threads", args.threads), ("--runs", args.runs)):
        if value < 1:
            raise ParameterError(f"{name} = {value}: at least 1 is needed")
    return argparse.Namespace(**{**vars(args), "size": size, "iterations": iterations})


def _write(args: argparse.Namespace, measured: Sequence[Measured], text: str) -> None:
    from ffstereo_ros.machine import machine

    precision = ", ".join(sorted({each.precision for each in measured}))
    facts = {**machine(), "threads": str(args.threads), "precision": precision}
    facts |= {"size": args.size, "max_disparity": f"{args.max_disparity} px", "runs": str(args.runs)}
    figures = {"machine": facts, "networks": [as_dict(each) for each in measured]}
    write_figures(args, figures, markdown.page(_METHOD, facts, text))


def _measure(weights: str, args: argparse.Namespace) -> Measured:
    import torch

    from ffstereo_ros.backends.freed_memory import keep_freed_memory
    from ffstereo_ros.backends.torch_device import choose_placement
    from ffstereo_ros.factory import find_weights
    from ffstereo_ros.network.checkpoint.metadata import read_metadata
    from ffstereo_ros.network.inference.measure import Workload, measure
    from ffstereo_ros.network.model import check_settings

    torch.set_num_threads(args.threads)
    keep_freed_memory()
    placement = choose_placement("cpu", args.precision)
    path = find_weights(weights)
    metadata, config = read_metadata(path)
    iterations = min(args.iterations, metadata.max_iterations)
    check_settings(iterations, args.max_disparity, config.max_disparity)
    load = Workload(scene_images(*parse_size(args.size)), iterations, args.max_disparity, args.runs)
    return Measured(path.stem, iterations, placement.precision, measure(partial(_read, path), placement.dtype, load))


def _read(path: Path) -> FastFoundationStereo:
    from ffstereo_ros.network.checkpoint.store import build_model, load_weights

    return build_model(load_weights(path))


def as_dict(measured: Measured) -> dict[str, object]:
    """One network's figures for JSON."""
    figures = measured.figures
    ways = {
        name: {**asdict(path), "median": path.median, "floor": path.floor}
        for name, path in (("as_run", figures.ours), ("plain", figures.plain))
    }
    memory = {"memory_before_mb": figures.memory_before, "memory_peak_mb": figures.memory_peak}
    described = {"weights": measured.name, "iterations": measured.iterations, "precision": measured.precision}
    return {**described, "gain": figures.gain, **memory, **ways}


def tables(measured: Sequence[Measured]) -> str:
    """The figures as Markdown: all networks, the memory, then each network by stage."""
    totals = [row for each in measured for row in _totals(each)]
    parts = [markdown.table(_COLUMNS, totals), *(_memory(each) for each in measured)]
    for each in measured:
        parts += [
            f"## By stage: {each.name}",
            markdown.table(("stage", "as run ms", "share", "plain ms"), _stages(each)),
        ]
    return "\n\n".join(parts)


def _totals(measured: Measured) -> list[tuple[str, ...]]:
    figures = measured.figures
    ways = ((f"as run, {measured.precision}", figures.ours, f"{figures.gain:.2f}x"), ("plain, fp32", figures.plain, ""))
    return [
        (
            *(measured.name, str(measured.iterations), way),
            *(f"{seconds:.3f}" for seconds in (path.median, min(path.seconds), max(path.seconds))),
            *(f"{path.gflop:.0f}", f"{path.gflop_per_second:.0f}", f"{path.floor:.2f}", gain),
        )
        for way, path, gain in ways
    ]


def _memory(measured: Measured) -> str:
    figures = measured.figures
    verdict = "below" if figures.memory_peak < _MEMORY_LIMIT else "ABOVE"
    return (
        f"Memory of {measured.name}: {figures.memory_peak:.0f} MB at most, {verdict} the {_MEMORY_LIMIT} MB a frame "
        f"of 480x640 px may take; {figures.memory_before:.0f} MB before the first."
    )


def _stages(measured: Measured) -> list[tuple[str, ...]]:
    ours, plain = measured.figures.ours.stages, measured.figures.plain.stages
    total = sum(ours.values())
    rows = [(stage, f"{1e3 * s:.0f}", f"{s / total:.0%}", f"{1e3 * plain[stage]:.0f}") for stage, s in ours.items()]
    return [*rows, ("all", f"{1e3 * total:.0f}", "", f"{1e3 * sum(plain.values()):.0f}")]

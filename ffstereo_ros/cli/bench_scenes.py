"""``ffstereo bench scenes``: how many training pairs a second the generator makes, by stage."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from ffstereo_ros import markdown
from ffstereo_ros.cli.bench_files import add_figure_files, write_figures
from ffstereo_ros.cli.build_engine import parse_size
from ffstereo_ros.errors import ParameterError

if TYPE_CHECKING:
    from ffstereo_ros.training.measure import Stage

_METHOD = """\
# Generated scenes

`{command}` writes this page.

Milliseconds a scene, in batches of {batch}: medians and quartiles over {batches} batches, after two that warm up. A
scene is used twice, the second time mirrored, so pairs a second are two over the time of a scene. On a CPU one core
does all of it. On a GPU the numbers are drawn by CPU workers, of which training has many, and painting and
photographing happen there: the pairs a second are those of these two.
"""

_COLUMNS = ("stage", "ms a scene", "quartiles")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("scenes", help="the generator of training pairs, on one CPU core or a GPU")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    parser.add_argument("--size", default="256x512", metavar="HxW", help="rows x columns, px (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, metavar="N", help="scenes (default: %(default)s)")
    parser.add_argument("--batches", type=int, default=8, metavar="N", help="default: %(default)s")
    add_figure_files(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures, prints the table, and writes what was asked for.

    Raises:
        FFStereoError: there is no such device, or our kernel cannot run on it.
    """
    height, width = parse_size(args.size)
    for name, least in (("batch", 1), ("batches", 2)):
        if getattr(args, name) < least:
            raise ParameterError(f"{name} = {getattr(args, name)}: at least {least} is needed")
    from ffstereo_ros.factory import require_torch

    require_torch()
    from ffstereo_ros.backends.torch_device import choose_placement
    from ffstereo_ros.machine import machine
    from ffstereo_ros.training.measure import measure_scenes

    device = choose_placement(args.device, "fp32").device
    stages = measure_scenes(device, height, width, args.batch, args.batches)
    rate = pairs_per_second(stages, on_gpu=device.type == "cuda")
    told = f"{table(stages)}\n\n{rate:.0f} pairs a second at {args.size} px\n"
    print(told)
    facts = machine()
    figures = {"machine": facts, "size": args.size, "stages": list(map(asdict, stages)), "pairs_per_s": rate}
    command = f"ffstereo bench scenes --device {device.type} --size {args.size}"
    method = _METHOD.format(command=command, batch=args.batch, batches=args.batches)
    write_figures(args, figures, markdown.page(method, facts, told))
    return 0


def pairs_per_second(stages: Sequence[Stage], on_gpu: bool) -> float:
    """Twice the scenes, whose mirror images are pairs, too; on a GPU drawing is left to workers."""
    return 2e3 / sum(stage.median for stage in stages if not (on_gpu and stage.name == "drawing"))


def table(stages: Sequence[Stage]) -> str:
    """The figures as a Markdown table."""
    rows = ((stage.name, f"{stage.median:.2f}", f"{stage.low:.2f} to {stage.high:.2f}") for stage in stages)
    return markdown.table(_COLUMNS, rows)

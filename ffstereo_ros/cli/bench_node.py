"""``ffstereo bench node``: what the node and the transport add to a backend's own time, and what gets lost."""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ffstereo_ros.cli.bench_files import add_figure_files, write_figures
from ffstereo_ros.errors import MissingDependencyError, ParameterError
from ffstereo_ros.machine import machine

if TYPE_CHECKING:
    from ffstereo_ros.ros.bench.session import Outcome

# What the figures of node and transport depend on.
PACKAGES = ("rclpy", "numpy", "opencv")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "node",
        help="frames delivered, latency and CPU of the node around a backend that costs nothing",
        description="A camera, the node with a constant backend, and a listener to all its outputs run as processes "
        "of their own. For every size, rate and transport: pairs sent (best effort), sets synchronised, published and "
        "completely received; the time that the node adds, from a set's arrival to the end of its last publication; "
        "that from the stamp to there and to the last output's arrival; the node's processor time. Let nothing else "
        "run meanwhile.",
    )
    add_figure_files(parser)
    parser.add_argument("--sizes", nargs="+", default=["640x480", "1280x720"], metavar="WxH", help="image sizes, px")
    parser.add_argument("--rates", nargs="+", type=float, default=[10.0, 30.0], metavar="HZ", help="pairs a second")
    parser.add_argument(
        "--profiles",
        nargs="+",
        default=["with", "without", "composed"],
        choices=("with", "without", "composed"),
        help="of the transport; composed = camera and node in one process, without it",
    )
    parser.add_argument("--seconds", type=float, default=15.0, metavar="S", help="time of sending for each case")
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures every case, prints the table, and writes what was asked for.

    Raises:
        MissingDependencyError: no rclpy.
        ParameterError: a size that is none.
    """
    try:
        from ffstereo_ros.ros.bench.report import report, table
        from ffstereo_ros.ros.bench.session import Case, measure
    except ImportError as error:
        raise MissingDependencyError(f"bench node needs ROS 2: source it, or use PyPI's wheels ({error})") from None
    sizes = [parse_size("--sizes", text) for text in args.sizes]
    outcomes: list[Outcome] = []
    described = machine(PACKAGES)
    for (width, height), rate, profile in itertools.product(sizes, args.rates, args.profiles):
        case = Case(width, height, rate, profile != "without", args.seconds, composed=profile == "composed")
        words = profile if case.composed else f"{profile} profile"
        print(f"{width}x{height} at {rate:g} Hz {words}: {args.seconds:g} s ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="ffstereo_bench_") as logs:
            outcomes.append(measure(case, Path(logs)))
    print(table(outcomes))
    figures = {"environment": described, "cases": [outcome.as_dict() for outcome in outcomes]}
    write_figures(args, figures, report(outcomes, described))
    return 0


def parse_size(option: str, text: str) -> tuple[int, int]:
    """Width and height in px, from ``640x480``.

    Raises:
        ParameterError: it is no size, or below 32 px; the message names the option.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 32 and int(height) >= 32):
        raise ParameterError(f"{option} {text}: a size is WIDTHxHEIGHT in px, each at least 32, such as 640x480")
    return int(width), int(height)

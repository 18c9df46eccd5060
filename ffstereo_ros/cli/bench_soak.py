"""``ffstereo bench soak``: the node for half an hour among people who do to it all that people do."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from ffstereo_ros.cli.bench_files import add_figure_files, write_figures
from ffstereo_ros.cli.bench_node import PACKAGES, parse_size
from ffstereo_ros.errors import MissingDependencyError, ParameterError
from ffstereo_ros.machine import machine


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "soak",
        help="the node under listeners, callers, restarts, broken frames and clock jumps",
        description="Runs the node with a constant backend while listeners come, go and are killed, parameters and "
        "lifecycle states change, 1 % of the frames are broken and the clock jumps back. Fails where the node dies, a "
        "set is not accounted for, a service does not answer as it should, or memory grows by more than 5 % after the "
        "first minute.",
    )
    parser.add_argument(
        "--minutes", type=float, default=30.0, metavar="M", help="time of sending (default %(default)g)"
    )
    parser.add_argument("--size", default="640x480", metavar="WxH", help="image size, px (default %(default)s)")
    parser.add_argument("--rate", type=float, default=30.0, metavar="HZ", help="pairs a second (default %(default)g)")
    add_figure_files(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs it, prints the table, and writes what was asked for; 1 where something was not as it has to be.

    Raises:
        MissingDependencyError: no rclpy.
        ParameterError: a size, rate or time that is none.
        BackendError: a process died.
    """
    try:
        from ffstereo_ros.ros.bench.soak import Soak, run_soak
        from ffstereo_ros.ros.bench.soak_report import report, table
    except ImportError as error:
        raise MissingDependencyError(f"bench soak needs ROS 2: source it, or use PyPI's wheels ({error})") from None
    if not (args.minutes > 0 and args.rate > 0):
        raise ParameterError(f"--minutes {args.minutes:g} --rate {args.rate:g}: both must be above 0")
    width, height = parse_size("--size", args.size)
    described = machine(PACKAGES)
    print(f"{args.minutes:g} min of {width}x{height} at {args.rate:g} Hz ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ffstereo_soak_") as logs:
        outcome = run_soak(Soak(args.minutes, width, height, args.rate), Path(logs))
    print(table(outcome))
    write_figures(args, {"environment": described, **outcome.as_dict()}, report(outcome, described))
    return 1 if outcome.faults else 0

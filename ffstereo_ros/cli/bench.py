"""``ffstereo bench WHAT``: measurements that can be repeated, as JSON and a table."""

from __future__ import annotations

import argparse

from ffstereo_ros.cli.bench_files import check_figure_files
from ffstereo_ros.cli.commands import add_command

# Each is a module of this package with add_parser(subparsers) and run(args) -> exit status.
_BENCHES = ("bench_node", "bench_network", "bench_soak", "bench_kernels", "bench_warm_start", "bench_scenes")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command and what it measures."""
    parser = subparsers.add_parser("bench", help="measurements, as JSON and a table")
    benches = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    for name in _BENCHES:
        add_command(benches, name.removeprefix("bench_").replace("_", "-"), name, "bench_run")
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the one that was asked for.

    Raises:
        FFStereoError: it refuses, or the figures could not be written.
    """
    check_figure_files(args)
    return int(args.bench_run(args))

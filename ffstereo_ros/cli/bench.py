"""``ffstereo bench WHAT``: measurements that can be repeated, as JSON and a table."""

from __future__ import annotations

import argparse
import importlib

# Each is a module of this package with add_parser(subparsers) and run(args) -> exit status.
_BENCHES = ("bench_node", "bench_network", "bench_soak", "bench_kernels", "bench_warm_start", "bench_scenes")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command and what it measures."""
    parser = subparsers.add_parser("bench", help="measurements, as JSON and a table")
    benches = parser.add_subparsers(dest="bench", required=True, metavar="WHAT")
    for name in _BENCHES:
        module = importlib.import_module(f"ffstereo_ros.cli.{name}")
        module.add_parser(benches).set_defaults(bench_run=module.run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the one that was asked for."""
    return int(args.bench_run(args))

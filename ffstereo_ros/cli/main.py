"""``ffstereo``: finds the command, runs it, and turns refusals into one line and an exit status."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from ffstereo_ros import __version__
from ffstereo_ros.errors import FFStereoError

# Each is a module of this package with add_parser(subparsers) and run(args) -> exit status; heavy imports stay in run.
COMMANDS: tuple[str, ...] = (
    "demo",
    "infer",
    "convert",
    "weights",
    "build-engine",
    "evaluate",
    "evaluate-bag",
    "train",
    "doctor",
    "bench",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="ffstereo", description="Metric depth from rectified stereo pairs.")
    parser.add_argument("--version", action="version", version=f"ffstereo_ros {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"ffstereo_ros.cli.{name.replace('-', '_')}")
        module.add_parser(subparsers).set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the entry point of ``ffstereo``.

    Returns:
        0 on success, 1 on a refusal (told in one line), 130 on Ctrl-C.
    """
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args))
    except FFStereoError as error:
        print(f"ffstereo {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ffstereo {args.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

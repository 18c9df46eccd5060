"""``ffstereo``: finds the command, runs it, and turns refusals into one line and an exit status."""

from __future__ import annotations

import argparse
import errno
import io
import sys
from collections.abc import Sequence

from ffstereo_ros import __version__
from ffstereo_ros.cli.commands import add_command
from ffstereo_ros.cli.packages import explain
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
        add_command(subparsers, name, name.replace("-", "_"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the entry point of ``ffstereo``.

    Returns:
        0 on success, 1 on a refusal (told in one line), 130 on Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr is: a file's name may hold bytes that are no UTF-8.
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if unknown and "refusal" not in args:  # a command that cannot run here knows none of its arguments
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return _run(args)
    except FFStereoError as error:
        print(f"ffstereo {args.command}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"ffstereo {args.command}: {_in_one_line(error, getattr(args, 'output', None))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ffstereo {args.command}: interrupted", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    """Runs the command; a package that is missing or broken becomes a refusal.

    Raises:
        FFStereoError: the command refuses, or cannot run here.
    """
    if "refusal" in args:
        raise args.refusal
    try:
        return int(args.run(args))
    except ImportError as error:
        raise explain(error) or error from None


def _in_one_line(error: OSError, output: object) -> str:
    """The paths, and what the system says of them.

    Args:
        output: where the command's results go, or None; writing to a full disk fails without a path.
    """
    paths = " -> ".join(str(path) for path in (error.filename, error.filename2) if path is not None)
    reason = " ".join((error.strerror or str(error)).split()) or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT) and not paths and output is not None:
        return f"{reason}; results go to {output}: free space there or choose another folder"
    return f"{paths}: {reason}" if paths else reason


if __name__ == "__main__":
    sys.exit(main())

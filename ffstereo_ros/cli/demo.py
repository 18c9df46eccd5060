"""``ffstereo demo``: a pair with known truth through the real node, judged, shown and saved."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffstereo_ros.cli.packages import require
from ffstereo_ros.errors import BackendError, FFStereoError, MissingDependencyError, ParameterError
from ffstereo_ros.factory import MatcherSettings, create_matcher, find_weights

if TYPE_CHECKING:
    from ffstereo_ros.demo.motorcycle import KnownPair
    from ffstereo_ros.demo.picture import Answer
    from ffstereo_ros.demo.table import Row

# From the baseline to the best, as `backend: auto` ranks them: the last that can run writes cloud and bag.
_BACKENDS = ("sgbm", "torch", "tensorrt")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("demo", help="a stereo pair through the node to depth: picture, cloud, bag, table")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--pairs", type=int, default=50, metavar="N", help="pairs sent at 10 Hz; default: %(default)s")
    parser.add_argument(
        "--backend",
        action="append",
        choices=_BACKENDS,
        help="backend to show, may be given several times; default: each that can run here",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: ROS 2 or a package is missing, the folder is not the demo's, or no depth came.
    """
    if args.pairs < 1:
        raise ParameterError(f"--pairs {args.pairs}: at least 1 is needed")
    _require_ros()
    require("matplotlib", "rosbags")
    from ffstereo_ros.demo.folder import claim
    from ffstereo_ros.demo.motorcycle import load_motorcycle
    from ffstereo_ros.demo.table import NOTE, format_table, write_json

    pair = load_motorcycle()
    backends = _that_can_run(args.backend or _BACKENDS, asked_for=args.backend is not None)
    logs = claim(args.output)
    rows, answers = _play_all(backends, args.pairs, pair, args.output, logs)
    write_json(args.output / "scores.json", rows)
    _draw(args.output, pair, answers)
    print(f"\n{format_table(rows)}\n\n{NOTE}\n\nIn {args.output}: {_contents(args.output)}")
    return 0


def _require_ros() -> None:
    try:
        importlib.import_module("ffstereo_ros.ros.demo_session")
    except ImportError as error:
        raise MissingDependencyError(
            f"the demo needs ROS 2 ({error}): source one, or run `make demo`, which brings it along; "
            "`ffstereo infer` works without"
        ) from error


def _that_can_run(backends: tuple[str, ...] | list[str], *, asked_for: bool) -> list[str]:
    able = []
    for backend in backends:
        try:
            ready = create_matcher(MatcherSettings(backend=backend, backend_fallback="none"))
        except FFStereoError as error:
            if asked_for:
                raise
            print(f"{backend}: left out, {error}")
            continue
        print(f"runs here: {ready.matcher.describe()}")
        ready.matcher.backend.close()
        able.append(backend)
    return able


def _play_all(
    backends: list[str], count: int, pair: KnownPair, output: Path, logs: Path
) -> tuple[list[Row], list[Answer]]:
    from ffstereo_ros.ros.processes import private_graph

    rows, answers = [], []
    with private_graph() as environment:
        os.environ.update(environment)  # Fast DDS and rclpy read them in this process too, when the collector starts
        for backend in backends:
            row, answer = _play_one(
                backend, count, pair, environment, output if backend == backends[-1] else None, logs
            )
            rows.append(row)
            answers.append(answer)
    return rows, answers


def _play_one(
    backend: str, count: int, pair: KnownPair, environment: dict[str, str], keep_in: Path | None, logs: Path
) -> tuple[Row, Answer]:
    from ffstereo_ros.demo.bag import write_bag
    from ffstereo_ros.demo.picture import Answer
    from ffstereo_ros.demo.scores import judge
    from ffstereo_ros.demo.table import Row
    from ffstereo_ros.files.clouds import write_ply
    from ffstereo_ros.ros.demo_session import play, unpack

    progress = _Progress(backend)
    recording, traffic = play(backend, count=count, environment=environment, logs=logs, tell=progress)
    progress.end()
    sets = recording.complete()
    published = unpack(sets[-1], pair.camera)
    scores = judge(published.disparity, published.depth, pair)
    if not scores.answered:
        raise BackendError(f"{backend}: the node published, but not one pixel was answered; see {logs}")
    if keep_in is not None:
        write_ply(keep_in / "cloud.ply", published.points, published.colours)
        write_bag(keep_in / "bag", (message for messages in sets for message in messages.values()))
    title = _title(backend)
    return Row(title, scores, traffic), Answer(title, published.disparity, published.depth, published.points, scores)


def _title(backend: str) -> str:
    """The backend in a few words, with the weights that it takes where none are named."""
    return backend if backend == "sgbm" else f"{backend}, {find_weights('').stem}"


class _Progress:
    """One line that grows on a terminal, a line for every ten pairs elsewhere."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._told = 0
        self._on_terminal = sys.stdout.isatty()
        print(f"{backend}: starting player and node, two processes that talk over DDS", flush=True)

    def __call__(self, answered: int, count: int) -> None:
        if answered >= self._told + (1 if self._on_terminal else 10):
            self._told = answered
            line = f"{self._backend}: {answered} of {count} pairs answered"
            print(line, end="\r" if self._on_terminal else "\n", flush=True)

    def end(self) -> None:
        """Leaves the line that grew."""
        if self._on_terminal and self._told:
            print()


def _draw(output: Path, pair: KnownPair, answers: list[Answer]) -> None:
    from ffstereo_ros.demo.picture import draw

    draw(output / "demo.png", pair, answers)
    draw(output / "demo_without_photo.png", pair, answers, with_photo=False)


def _contents(output: Path) -> str:
    words = {
        "demo.png": "the picture",
        "cloud.ply": "the point cloud",
        "bag": "an mcap bag for ros2 bag play, RViz and Foxglove",
        "scores.json": "this table",
    }
    return ", ".join(f"{name} ({text})" for name, text in words.items() if (output / name).exists())

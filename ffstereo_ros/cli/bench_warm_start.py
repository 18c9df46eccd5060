"""``ffstereo bench warm-start SOURCE``: what a start from the last frame is worth, on scenes or on a recording."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros import markdown
from ffstereo_ros.cli.evaluate_bag import node_decoders
from ffstereo_ros.cli.matching import add_matching_arguments, settings_of
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.core.warm_start import WarmStart
from ffstereo_ros.errors import BackendError, FFStereoError
from ffstereo_ros.evaluation.bag_frames import FrameStream
from ffstereo_ros.evaluation.bags import Bag, find_topics
from ffstereo_ros.evaluation.doctor_bag import is_bag
from ffstereo_ros.evaluation.layouts import find_scenes
from ffstereo_ros.evaluation.metrics import Figures, mean_figures
from ffstereo_ros.evaluation.steady_camera import SETTLING, WarmFigures, measure_scene
from ffstereo_ros.factory import MatcherSettings, create_matcher

Float32Array = NDArray[np.float32]
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_METHOD = """\
# A start from the last frame

`{command}` writes this page.

A camera stands still before each scene: {frames} frames that differ in sensor noise alone (Gaussian, {noise:g} grey
levels of 255, drawn anew for each pixel and frame). "Cold" matches each frame from nothing, "warm" starts the
refinement from the last frame's answer, as the parameter `warm_start` does. Judged are the frames after the first
{settling}, over every truth pixel, unknown counted as bad; means weigh every scene the same. Times are those of whole
matches, cold and warm in turn.
"""


@dataclass(frozen=True)
class ReferenceRow:
    """Differences from the reference over the frames after the first five: mean in px, and share above 1 px in %."""

    iterations: int
    cold_mean: float
    cold_above_1px: float
    warm_mean: float
    warm_above_1px: float


@dataclass(frozen=True)
class TruthRow:
    """Errors against the truth, mean of all scenes, and the median time of a match, ms."""

    iterations: int
    start: str
    scenes: int
    match_ms: float
    errors: Figures


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "warm-start",
        help="fewer iterations from the last frame's disparity",
        description="Scenes with truth: a camera that stands still before each, errors against the truth. A recording: "
        "differences from a cold start with --iterations.",
    )
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="scenes with truth, or a recording of a scene that moves little"
    )
    parser.add_argument("--try", dest="tried", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="iterations")
    parser.add_argument("--limit", type=int, default=30, metavar="N", help="of a recording (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=8, metavar="N", help="of each scene (default: %(default)s)")
    parser.add_argument(
        "--noise", type=float, default=4.0, metavar="LEVELS", help="of each scene's frames (default: %(default)s)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the figures on scenes go as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as JSON")
    add_matching_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures and prints the table.

    Raises:
        FFStereoError: nothing to measure on, or a backend that has no iterations.
    """
    rows = _on_recording(args) if is_bag(args.source) else _on_scenes(args)
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


def _on_scenes(args: argparse.Namespace) -> Sequence[TruthRow]:
    scenes, settings = find_scenes(args.source), settings_of(args)
    rows: list[TruthRow] = []
    for count in args.tried:
        figures = WarmFigures()
        with _matcher(replace(settings, iterations=count)) as matcher:
            backend = matcher.describe()
            for scene in scenes:
                measure_scene(matcher, scene, args.frames, args.noise, figures)
        if not figures.cold:
            raise FFStereoError(f"{args.source}: none of the {len(scenes)} scenes has truth: errors need it")
        rows += _truth_rows(count, figures)
    text = _table(rows)
    print(text)
    if args.report is not None:
        args.report.write_text(_page(args, backend, text), encoding="utf-8")
    return rows


def _truth_rows(iterations: int, figures: WarmFigures) -> list[TruthRow]:
    starts = (
        ("cold", figures.cold, figures.cold_seconds),
        ("warm", figures.warm, figures.warm_seconds),
    )
    return [
        TruthRow(iterations, start, len(scenes), 1e3 * float(np.median(seconds)), mean_figures(scenes))
        for start, scenes, seconds in starts
    ]


def _table(rows: Sequence[TruthRow]) -> str:
    columns = ("iterations", "start", "scenes", "bad1 [%]", "bad2 [%]", "D1 [%]", "EPE [px]", "match [ms]")
    cells = (
        (
            *(str(row.iterations), row.start, str(row.scenes)),
            *(f"{row.errors[name]:.2f}" for name in ("bad1", "bad2", "d1")),
            *(f"{row.errors['epe']:.3f}", f"{row.match_ms:.0f}"),
        )
        for row in rows
    )
    return markdown.table(columns, cells)


def _page(args: argparse.Namespace, backend: str, text: str) -> str:
    from ffstereo_ros.machine import machine

    command = shlex.join(["ffstereo", *sys.argv[1:]])
    method = _METHOD.format(command=command, frames=args.frames, noise=args.noise, settling=SETTLING)
    return markdown.page(method, {**machine(), "backend": backend}, text)


def _on_recording(args: argparse.Namespace) -> Sequence[ReferenceRow]:
    with Bag(args.source) as bag:
        stream = FrameStream(bag, find_topics(bag.types), node_decoders())
        pairs = [(frame.left, frame.right) for frame in islice(stream, args.limit)]
    if len(pairs) <= SETTLING:
        raise FFStereoError(f"{args.source}: {len(pairs)} stereo pairs: more than {SETTLING} are needed")
    settings = settings_of(args)
    references = _answers(settings, pairs, warm=False)
    rows = [_reference_row(replace(settings, iterations=count), pairs, references) for count in args.tried]
    for row in rows:
        print(
            f"{row.iterations} iterations: cold {row.cold_mean:.3f} px ({row.cold_above_1px:.1f} % above 1 px), "
            f"warm {row.warm_mean:.3f} px ({row.warm_above_1px:.1f} %)"
        )
    return rows


def _reference_row(
    settings: MatcherSettings, pairs: Sequence[Pair], references: Sequence[Float32Array]
) -> ReferenceRow:
    cold = _differences(_answers(settings, pairs, warm=False), references)
    warm = _differences(_answers(settings, pairs, warm=True), references)
    return ReferenceRow(settings.iterations, *cold, *warm)


def _answers(settings: MatcherSettings, pairs: Iterable[Pair], *, warm: bool) -> list[Float32Array]:
    with _matcher(settings) as matcher:
        return list(_match(matcher, pairs, WarmStart() if warm else None))


@contextmanager
def _matcher(settings: MatcherSettings) -> Iterator[StereoMatcher]:
    ready = create_matcher(settings)
    try:
        if ready.matcher.backend.name != "torch":
            raise BackendError(f"{ready.reason}: only backend torch takes a start; give --backend torch and --weights")
        yield ready.matcher
    finally:
        ready.matcher.backend.close()


def _match(matcher: StereoMatcher, pairs: Iterable[Pair], start: WarmStart | None) -> Iterable[Float32Array]:
    for left, right in pairs:
        result = matcher.match(left, right) if start is None else start.match(matcher, left, right)
        yield result.raw_disparity.copy()  # all are kept, and page-locked memory is scarce


def _differences(answers: Sequence[Float32Array], references: Sequence[Float32Array]) -> tuple[float, float]:
    apart = np.abs(np.stack(answers[SETTLING:]) - np.stack(references[SETTLING:]))
    return float(np.nanmean(apart)), 100 * float((apart > 1).mean())

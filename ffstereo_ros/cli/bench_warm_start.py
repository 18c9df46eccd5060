"""``ffstereo bench warm-start SOURCE``: what a start from the last frame is worth, on scenes or on a recording."""

from __future__ import annotations

import argparse
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
from ffstereo_ros.cli.bench_files import add_figure_files, write_figures
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
from ffstereo_ros.machine import machine

Float32Array = NDArray[np.float32]
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_BEGINNING = """\
# A start from the last frame

`{command}` writes this page.

"Cold" matches each frame from nothing, "warm" starts the refinement from the last frame's answer, as the parameter
`warm_start` does.

"""
_ON_SCENES = """\
A camera stands still before each scene: {frames} frames that differ in sensor noise alone (Gaussian, {noise:g} grey
levels of 255, drawn anew for each pixel and frame). Judged are the frames after the first {settling}, over every truth
pixel, unknown counted as bad; means weigh every scene the same. Times are those of whole matches, cold and warm in
turn.
"""
_ON_RECORDING = """\
The first {frames} stereo pairs of the recording. There is no truth: each answer's distance from a cold one of
{iterations} iterations, over the frames after the first {settling}.
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


@dataclass(frozen=True)
class _Outcome:
    """Figures, the same as a Markdown table, how they were measured, and what answered."""

    rows: Sequence[TruthRow] | Sequence[ReferenceRow]
    table: str
    method: str
    backend: str


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
    add_figure_files(parser)
    add_matching_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures and prints the table.

    Raises:
        FFStereoError: nothing to measure on, or a backend that has no iterations.
    """
    outcome = _on_recording(args) if is_bag(args.source) else _on_scenes(args)
    print(outcome.table)
    command = shlex.join(["ffstereo", *sys.argv[1:]])
    method = _BEGINNING.format(command=command) + outcome.method
    page = markdown.page(method, {**machine(), "backend": outcome.backend}, outcome.table)
    write_figures(args, [asdict(row) for row in outcome.rows], page)
    return 0


def _on_scenes(args: argparse.Namespace) -> _Outcome:
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
    method = _ON_SCENES.format(frames=args.frames, noise=args.noise, settling=SETTLING)
    return _Outcome(rows, _truth_table(rows), method, backend)


def _truth_rows(iterations: int, figures: WarmFigures) -> list[TruthRow]:
    starts = (
        ("cold", figures.cold, figures.cold_seconds),
        ("warm", figures.warm, figures.warm_seconds),
    )
    return [
        TruthRow(iterations, start, len(scenes), 1e3 * float(np.median(seconds)), mean_figures(scenes))
        for start, scenes, seconds in starts
    ]


def _truth_table(rows: Sequence[TruthRow]) -> str:
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


def _on_recording(args: argparse.Namespace) -> _Outcome:
    with Bag(args.source) as bag:
        stream = FrameStream(bag, find_topics(bag.types), node_decoders())
        pairs = [(frame.left, frame.right) for frame in islice(stream, args.limit)]
    if len(pairs) <= SETTLING:
        raise FFStereoError(f"{args.source}: {len(pairs)} stereo pairs: more than {SETTLING} are needed")
    settings = settings_of(args)
    references, backend = _answers(settings, pairs, warm=False)
    rows = [_reference_row(replace(settings, iterations=count), pairs, references) for count in args.tried]
    method = _ON_RECORDING.format(frames=len(pairs), iterations=settings.iterations, settling=SETTLING)
    return _Outcome(rows, _reference_table(rows), method, backend)


def _reference_table(rows: Sequence[ReferenceRow]) -> str:
    columns = ("iterations", "cold, mean [px]", "cold, above 1 px [%]", "warm, mean [px]", "warm, above 1 px [%]")
    cells = (
        (
            str(row.iterations),
            *(f"{row.cold_mean:.3f}", f"{row.cold_above_1px:.1f}"),
            *(f"{row.warm_mean:.3f}", f"{row.warm_above_1px:.1f}"),
        )
        for row in rows
    )
    return markdown.table(columns, cells)


def _reference_row(
    settings: MatcherSettings, pairs: Sequence[Pair], references: Sequence[Float32Array]
) -> ReferenceRow:
    cold = _differences(_answers(settings, pairs, warm=False)[0], references)
    warm = _differences(_answers(settings, pairs, warm=True)[0], references)
    return ReferenceRow(settings.iterations, *cold, *warm)


def _answers(settings: MatcherSettings, pairs: Iterable[Pair], *, warm: bool) -> tuple[list[Float32Array], str]:
    """A disparity for each pair, and what answered."""
    with _matcher(settings) as matcher:
        return list(_match(matcher, pairs, WarmStart() if warm else None)), matcher.describe()


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

"""``ffstereo bench warm-start BAG``: how far few iterations come, from the last frame and from nothing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.cli.evaluate_bag import node_decoders
from ffstereo_ros.cli.matching import add_matching_arguments, settings_of
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.core.warm_start import WarmStart
from ffstereo_ros.errors import BackendError, FFStereoError
from ffstereo_ros.evaluation.bag_frames import FrameStream
from ffstereo_ros.evaluation.bags import Bag, find_topics
from ffstereo_ros.factory import MatcherSettings, create_matcher

Float32Array = NDArray[np.float32]
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]

# The first frames of a warm row have little to start from.
_SETTLING = 5


@dataclass(frozen=True)
class Row:
    """Differences from the reference over the frames after the first five: mean in px, and share above 1 px in %."""

    iterations: int
    cold_mean: float
    cold_above_1px: float
    warm_mean: float
    warm_above_1px: float


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "warm-start", help="fewer iterations from the last frame's disparity, on a recording"
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="a recording of a scene that moves little")
    parser.add_argument("--try", dest="tried", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="iterations")
    parser.add_argument("--limit", type=int, default=30, metavar="N", help="frames (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as JSON")
    add_matching_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measures and prints the table; the reference is a cold start with ``--iterations``.

    Raises:
        FFStereoError: the bag has too few pairs, or the backend that was asked for has no iterations.
    """
    with Bag(args.bag) as bag:
        stream = FrameStream(bag, find_topics(bag.types), node_decoders())
        pairs = [(frame.left, frame.right) for frame in islice(stream, args.limit)]
    if len(pairs) <= _SETTLING:
        raise FFStereoError(f"{args.bag}: {len(pairs)} stereo pairs: more than {_SETTLING} are needed")
    settings = settings_of(args)
    references = _answers(settings, pairs, warm=False)
    rows = [_row(replace(settings, iterations=count), pairs, references) for count in args.tried]
    for row in rows:
        print(
            f"{row.iterations} iterations: cold {row.cold_mean:.3f} px ({row.cold_above_1px:.1f} % above 1 px), "
            f"warm {row.warm_mean:.3f} px ({row.warm_above_1px:.1f} %)"
        )
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


def _row(settings: MatcherSettings, pairs: Sequence[Pair], references: Sequence[Float32Array]) -> Row:
    cold = _differences(_answers(settings, pairs, warm=False), references)
    warm = _differences(_answers(settings, pairs, warm=True), references)
    return Row(settings.iterations, *cold, *warm)


def _answers(settings: MatcherSettings, pairs: Iterable[Pair], *, warm: bool) -> list[Float32Array]:
    ready = create_matcher(settings)
    matcher = ready.matcher
    try:
        if matcher.backend.name != "torch":
            raise BackendError(f"{ready.reason}: only backend torch takes a start; give --backend torch and --weights")
        return list(_match(matcher, pairs, WarmStart() if warm else None))
    finally:
        matcher.backend.close()


def _match(matcher: StereoMatcher, pairs: Iterable[Pair], start: WarmStart | None) -> Iterable[Float32Array]:
    for left, right in pairs:
        result = matcher.match(left, right) if start is None else start.match(matcher, left, right)
        yield result.raw_disparity.copy()  # all are kept, and page-locked memory is scarce


def _differences(answers: Sequence[Float32Array], references: Sequence[Float32Array]) -> tuple[float, float]:
    apart = np.abs(np.stack(answers[_SETTLING:]) - np.stack(references[_SETTLING:]))
    return float(np.nanmean(apart)), 100 * float((apart > 1).mean())

"""``ffstereo evaluate-bag BAG --output DIR``: every frame of a recording, figures, a report and a bag of results."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

from ffstereo_ros.cli.matching import add_filter_arguments, add_matching_arguments, filters_of, settings_of
from ffstereo_ros.cli.output_folder import add_output_arguments, claim
from ffstereo_ros.errors import InputFileError, ParameterError
from ffstereo_ros.evaluation.bag_evaluator import BagJudge
from ffstereo_ros.evaluation.bag_frames import Decoders, FrameStream
from ffstereo_ros.evaluation.bag_report import write_bag_report
from ffstereo_ros.evaluation.bag_results import BagRun, FrameTable
from ffstereo_ros.evaluation.bag_truth import BagTruth, find_truth
from ffstereo_ros.evaluation.bag_writer import OUTPUTS, ResultBag, free_path
from ffstereo_ros.evaluation.bags import Bag, StereoTopics, find_topics
from ffstereo_ros.evaluation.results import write_json
from ffstereo_ros.factory import create_matcher

_FILES = ("metrics.json", "frames.csv", "report.html")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "evaluate-bag",
        help="every frame of a recording: figures, a report and a bag of results",
        description="Matches every stereo pair of a ROS 2 (mcap, sqlite3) or ROS 1 bag; none is dropped. Writes "
        "metrics.json, frames.csv and report.html, and the results as a new mcap bag beside the input. Ctrl-C ends "
        "early and still writes them.",
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="a bag folder, an .mcap, a .db3 or a .bag file")
    add_output_arguments(parser)
    _add_bag_arguments(parser)
    add_matching_arguments(parser)
    add_filter_arguments(parser, over_time=True)
    return parser


def _add_bag_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--left-topic", default="", metavar="TOPIC", help="left image (default: found by name)")
    parser.add_argument("--right-topic", default="", metavar="TOPIC", help="right image (default: found by name)")
    parser.add_argument(
        "--truth",
        default="",
        metavar="TOPIC|none",
        help="DisparityImage, aligned depth Image or PointCloud2 (with /tf_static) to judge against (default: found; "
        "never disparity, depth/image_rect or points2 beside the pair, which are a matcher's answers)",
    )
    parser.add_argument("--truth-tolerance", type=float, default=0.05, metavar="S", help="default 0.05 s")
    parser.add_argument(
        "--sync-tolerance",
        type=float,
        default=0.0,
        metavar="S",
        help="largest left-right stamp difference, default 0 s",
    )
    parser.add_argument(
        "--left-right-every",
        type=int,
        default=5,
        metavar="N",
        help="left-right check on every n-th frame; 0 = never (default 5)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pairs")
    parser.add_argument("--pictures", type=int, default=8, help="frames with pictures in the report (default 8)")
    parser.add_argument(
        "--result-bag", default="", metavar="PATH|none", help="new bag for the results (default: beside the input)"
    )
    parser.add_argument(
        "--record", nargs="+", choices=OUTPUTS, default=["disparity", "depth"], help="what the result bag holds"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        0, or 1 if no frame was matched or the bag is damaged, or 130 after Ctrl-C; the files are written in each case.

    Raises:
        FFStereoError: no pair in the bag, a setting out of range, results that would be lost, or no backend to run.
    """
    _check(args)
    output = claim(args.output, _FILES, force=args.force)
    result = BagRun(source=str(args.bag), started=datetime.now(timezone.utc).isoformat(timespec="seconds"))
    result.command = shlex.join(["ffstereo", *sys.argv[1:]])
    status = 0
    try:
        _judge(args, output, result)
    except KeyboardInterrupt:
        result.ended, status = "interrupted", 130
    except InputFileError as error:
        if not result.frames:
            raise
        result.ended, status = f"ended early ({error})", 1
    if result.ended:
        print(f"\n{result.ended}: writing what there is", flush=True)
    write_json(result.as_dict(), output / "metrics.json")
    write_bag_report(result, output / "report.html")
    _tell(result, output)
    return status or (0 if result.frames else 1)


def _check(args: argparse.Namespace) -> None:
    for name, low in (
        ("left_right_every", 0),
        ("pictures", 1),
        ("limit", 1),
        ("sync_tolerance", 0),
        ("truth_tolerance", 0),
    ):
        value = getattr(args, name)
        if value is not None and value < low:
            raise ParameterError(f"--{name.replace('_', '-')} = {value}: must be at least {low}")


def _judge(args: argparse.Namespace, output: Path, result: BagRun) -> None:
    """Opens everything, judges frame by frame, and closes everything however it ends."""
    with ExitStack() as stack:
        bag = stack.enter_context(Bag(args.bag))
        topics = find_topics(bag.types, left=args.left_topic, right=args.right_topic)
        filters = filters_of(args)
        result.planned = bag.count(topics.left)
        result.truth, why_none = _truth(args, bag, topics)
        result.note(why_none)
        ready = create_matcher(settings_of(args))
        stack.callback(ready.matcher.backend.close)
        result.backend = ready.reason
        print(f"{ready.reason}\nleft {topics.left}, right {topics.right}; {why_none or f'truth: {result.truth}'}")
        frames = FrameStream(bag, topics, node_decoders(), tolerance=args.sync_tolerance)
        result.stream = frames.counts
        judge = BagJudge(
            ready.matcher,
            result,
            stack.enter_context(FrameTable(output / "frames.csv")),
            filters=filters,
            left_right_every=args.left_right_every,
            picture_every=max(1, min(result.planned, args.limit or result.planned) // args.pictures),
        )
        if result.truth:
            # A reader of its own: the truth is read at its own pace, and no message is kept longer than needed.
            judge.truth = BagTruth(stack.enter_context(Bag(args.bag)), result.truth, tolerance=args.truth_tolerance)
        if args.result_bag != "none":
            judge.result_bag = stack.enter_context(_result_bag(args, output, topics, ready.matcher.backend.name))
        try:
            judge.judge_all(frames, args.limit, _Progress(min(result.planned, args.limit or result.planned)).show)
        finally:
            if judge.result_bag is not None and judge.result_bag.frames:
                result.result_bag = str(judge.result_bag.path)


def _truth(args: argparse.Namespace, bag: Bag, topics: StereoTopics) -> tuple[str, str]:
    """The topic to judge against, and where there is none, why."""
    if args.truth == "none":
        return "", "no truth: --truth none"
    return find_truth(bag.types, topics.namespace, args.truth)


def node_decoders() -> Decoders:
    """The node's own conversions: what is evaluated is what runs on the robot. They need no ROS installation."""
    from ffstereo_ros.ros.conversions import camera_from_info, pair_to_rgb

    return Decoders(
        images=pair_to_rgb,
        camera=lambda left, right, width, height: camera_from_info(left, right, width=width, height=height),
    )


def _result_bag(args: argparse.Namespace, output: Path, topics: StereoTopics, backend: str) -> ResultBag:
    """Beside the input, or in the output folder where the input's folder cannot be written to."""
    if args.result_bag:
        return ResultBag(Path(args.result_bag), topics.namespace, tuple(args.record))
    bag = args.bag.resolve()
    beside = bag.parent
    if bag.is_file() and (beside / "metadata.yaml").is_file():
        bag, beside = beside, beside.parent  # one file of a bag folder: beside the folder, not into it
    # The mode counts for root too, who may write everywhere: a folder marked read-only is somebody's archive.
    if not (os.access(beside, os.W_OK) and beside.stat().st_mode & 0o222):
        print(f"{beside} cannot be written to: the result bag goes to {output}")
        beside = output
    return ResultBag(free_path(beside / f"{bag.stem}_{backend}"), topics.namespace, tuple(args.record))


def _tell(result: BagRun, output: Path) -> None:
    for reason, count in result.stream.refused.items():
        print(f"{count} frames refused: {reason}")
    if result.stream.unpaired_left or result.stream.unpaired_right:
        left, right = result.stream.unpaired_left, result.stream.unpaired_right
        print(f"{left} left and {right} right images have no partner of the same stamp; try --sync-tolerance 0.005")
    times, means = result.latency.as_dict(), {name: result.series[name].mean for name in result.series}
    if not result.frames:
        print(f"none of {result.planned} left images was matched")
        return
    print(
        f"{result.frames} of {result.planned} left images matched; coverage {means['coverage']:.1f} %, left-right "
        f"{means['left_right']:.1f} %, plane {means['plane_px']:.3f} px, flicker {means['flicker_px']:.3f} px; "
        f"p50 {times['p50_ms']:.0f} ms, p95 {times['p95_ms']:.0f} ms"
    )
    if result.truth_frames and not result.counts.pixels:
        print(f"against {result.truth}: no truth, every pixel of it is unknown")
    elif result.truth_frames:
        figures = result.counts.over_all()
        print(f"against {result.truth}: bad2 {figures['bad2']:.2f} %, EPE {figures['epe']:.3f} px, all truth pixels")
    if result.result_bag:
        print(f"results: {result.result_bag}")
    print(f"report: {output / 'report.html'}")


class _Progress:
    """One line that is rewritten on a terminal, and every hundredth frame elsewhere."""

    def __init__(self, planned: int) -> None:
        self._planned = planned

    def show(self, result: BagRun) -> None:
        """Shows how far the run is."""
        terminal = sys.stdout.isatty()
        if terminal or result.frames % 100 == 0:
            print(f"frame {result.frames} of {self._planned}", end="\r" if terminal else "\n", flush=True)

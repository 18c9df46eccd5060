"""``ffstereo evaluate SCENES --output DIR``: every backend over every scene, figures and a report."""

from __future__ import annotations

import argparse
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path

from ffstereo_ros.cli.contenders import add_contender_arguments, contenders_of
from ffstereo_ros.cli.matching import add_filter_arguments, filters_of
from ffstereo_ros.cli.output_folder import add_output_arguments, claim, refuse_loss
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.evaluation.evaluator import DEFAULT_MAX_DISPARITY, Contender, EvaluatorSettings, evaluate
from ffstereo_ros.evaluation.layouts import find_scenes
from ffstereo_ros.evaluation.report import write_scene_report
from ffstereo_ros.evaluation.results import ContenderResult, Run, SceneResult, write_csv, write_json
from ffstereo_ros.evaluation.summary import write_summary

_FILES = ("metrics.json", "metrics.csv", "report.html")
_SUMMARY_FILES = ("accuracy.md", "accuracy.json", "accuracy.svg")
# Failed scenes that are named at the end; the report names all.
_NAMED = 5


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="error figures and a report over scenes with ground truth",
        description="Matches every scene with every backend and writes metrics.json, metrics.csv and report.html. "
        "Ctrl-C ends early and still writes them.",
    )
    parser.add_argument(
        "scenes",
        type=Path,
        metavar="SCENES",
        help="a scene, a folder of scenes, or a data set: left/right/disp.png, Middlebury, ETH3D, KITTI, Sintel, "
        "SceneFlow",
    )
    add_output_arguments(parser)
    parser.add_argument(
        "--own-max-disparity",
        action="store_true",
        help="search each scene as far as its published bound, or else its truth's largest disparity + 1 px "
        "(px of the left image, whatever the scale; instead of --max-disparity; rounded up to a multiple of 16 px for "
        "sgbm, of 32 px for the others, at the scaled size)",
    )
    parser.add_argument("--repeats", type=int, default=1, help="matches per scene; times are their median (default 1)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N scenes")
    parser.add_argument("--pictures", type=int, default=200, help="scenes with pictures in the report (default 200)")
    parser.add_argument(
        "--no-consistency", action="store_true", help="leave out the left-right check, which costs a second match"
    )
    parser.add_argument(
        "--summary", type=Path, metavar="DIR", help="also write accuracy.md, .json and .svg there, without any image"
    )
    add_contender_arguments(parser)
    add_filter_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        0, or 1 if a scene gave no result, or 130 after Ctrl-C; the files are written in each case.

    Raises:
        FFStereoError: no scenes, a setting out of range, results that would be lost, or no contender can run.
    """
    settings = _settings(args)
    scenes = find_scenes(args.scenes)[: args.limit]
    contenders = contenders_of(args)
    for contender in contenders:
        # What cannot run is refused now, not once a scene.
        contender.matcher(settings.max_disparity or DEFAULT_MAX_DISPARITY)
    if args.summary is not None:
        refuse_loss(args.summary, _SUMMARY_FILES, force=args.force)  # before the other folder is made
    output = claim(args.output, _FILES, force=args.force)
    summary = args.summary and claim(args.summary, _SUMMARY_FILES, force=args.force)
    results = _empty_run(args.scenes, contenders, planned=len(scenes))
    try:
        evaluate(scenes, contenders, settings, results, _Progress(len(scenes), contenders).show)
    except KeyboardInterrupt:
        print("\ninterrupted: writing what there is", flush=True)
    finally:
        for contender in contenders:
            contender.close()
    write_all(results, output)
    if summary is not None:
        written = write_summary(results, summary)
        print(f"summary: {', '.join(str(path) for path in written)}")
    _tell_failed(results)
    if not results.complete:
        return 130
    return 1 if any(contender.failed() for contender in results.contenders) else 0


def _empty_run(source: Path, contenders: list[Contender], *, planned: int) -> Run:
    return Run(
        source=str(source),
        contenders=[ContenderResult(contender.label) for contender in contenders],
        planned=planned,
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=shlex.join(["ffstereo", *sys.argv[1:]]),
    )


def _settings(args: argparse.Namespace) -> EvaluatorSettings:
    if args.repeats < 1 or (args.limit is not None and args.limit < 1):
        raise ParameterError("--repeats and --limit: must be at least 1")
    bound = None if args.own_max_disparity else args.max_disparity
    return EvaluatorSettings(bound, args.repeats, not args.no_consistency, args.pictures, filters_of(args))


def write_all(results: Run, output: Path) -> None:
    """The three files, and where they are."""
    write_json(results.as_dict(), output / "metrics.json")
    write_csv(results, output / "metrics.csv")
    write_scene_report(results, output / "report.html")
    for contender in results.contenders:
        judged = len(contender.judged())
        if judged:
            mean = contender.mean()["all"]
            print(
                f"{contender.label}: mean over {judged} scene{'s' * (judged > 1)}, all truth pixels: "
                f"bad2 {mean['bad2']:.2f} %, D1 {mean['d1']:.2f} %, EPE {mean['epe']:.3f} px, "
                f"density {mean['density']:.1f} %; p50 {contender.latency.as_dict()['p50_ms']:.0f} ms"
            )
    print(f"report: {output / 'report.html'}")


def _tell_failed(results: Run) -> None:
    for contender in results.contenders:
        failed = [scene.scene for scene in contender.failed()]
        if failed:
            named = ", ".join(failed[:_NAMED]) + (", ..." if len(failed) > _NAMED else "")
            print(f"{contender.label}: no result for {len(failed)} of {len(contender.scenes)} scenes: {named}")


class _Progress:
    """A line for each scene and contender."""

    def __init__(self, scenes: int, contenders: list[Contender]) -> None:
        self._scenes, self._contenders = scenes, len(contenders)
        self._shown = 0

    def show(self, result: SceneResult, label: str) -> None:
        """Prints one result."""
        number = self._shown // self._contenders + 1
        self._shown += 1
        figures = result.figures().get("all")
        text = f"failed: {result.failed}" if result.failed else f"{result.match_ms:.0f} ms"
        if figures:
            text += f", bad2 {figures['bad2']:.2f} %, EPE {figures['epe']:.3f} px"
        elif not result.failed:
            text += ", no truth"
        print(f"[{number}/{self._scenes}] {result.scene} {label}: {text}", flush=True)

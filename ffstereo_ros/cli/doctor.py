"""``ffstereo doctor [TARGET]``: is the pair rectified, in order and synchronised, and what can run here?"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ffstereo_ros.cli.evaluate_bag import node_decoders
from ffstereo_ros.errors import FFStereoError, InputFileError, MissingDependencyError
from ffstereo_ros.evaluation.bags import Bag
from ffstereo_ros.evaluation.calibrations import read_any_camera
from ffstereo_ros.evaluation.doctor_bag import CameraOf, check_bag, is_bag, judge_stamps
from ffstereo_ros.evaluation.doctor_pair import SearchRange, check_pair
from ffstereo_ros.evaluation.doctor_system import check_system
from ffstereo_ros.evaluation.findings import Finding, is_bad
from ffstereo_ros.evaluation.layouts import find_scenes
from ffstereo_ros.evaluation.results import write_json
from ffstereo_ros.evaluation.scenes import Scene
from ffstereo_ros.factory import MatcherSettings, create_matcher
from ffstereo_ros.files.images import read_pair
from ffstereo_ros.params import BY_NAME

Report = dict[str, list[Finding]]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is wrong with this pair, bag or machine, and what to do",
        description="Judges two image files, a scene, a folder of scenes, a bag, or live topics; without any, the "
        "machine alone. A verdict and a remedy a line. Exit status 1 if something makes depth wrong.",
    )
    parser.add_argument("target", nargs="*", type=Path, metavar="TARGET", help="LEFT RIGHT, or a scene, or a bag")
    parser.add_argument("--camera", metavar="FILE", help="calibration as for infer; goes before the target's own")
    parser.add_argument("--left-topic", default="", metavar="TOPIC", help="left image, of a bag or live")
    parser.add_argument("--right-topic", default="", metavar="TOPIC", help="right image, of a bag or live")
    parser.add_argument("--topics", action="store_true", help="judge live topics (default: left/image_rect and so on)")
    parser.add_argument("--namespace", default="", metavar="NS", help="namespace of the live topics")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to listen to live topics (default 5)")
    parser.add_argument(
        "--max-disparity",
        type=int,
        default=BY_NAME["max_disparity"].default,
        metavar="PX",
        help="as the node's parameter: that will be searched, at the scaled size (default %(default)s)",
    )
    parser.add_argument("--no-system", action="store_true", help="leave out the machine")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings there")
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        1 if a finding is bad, else 0.

    Raises:
        FFStereoError: a target cannot be read.
    """
    report: Report = {}
    backend, search = _backend(args.max_disparity)
    if not args.no_system:
        report["this machine"] = [*check_system(), backend]
    report |= _targets(args, search)
    if not report:
        raise InputFileError("nothing to look at: give two images, a scene, a bag, or --topics")
    width = max(len(name) for name in report)
    for name, findings in report.items():
        print(f"{name}\n{'-' * min(width, len(name))}")
        print("\n".join(finding.line() for finding in findings) + "\n")
    wrong = [name for name, findings in report.items() if is_bad(findings)]
    print(f"wrong: {', '.join(wrong)}" if wrong else "nothing found that makes depth wrong")
    if args.json is not None:
        write_json({name: [finding.as_dict() for finding in findings] for name, findings in report.items()}, args.json)
    return 1 if wrong else 0


def _backend(max_disparity: int) -> tuple[Finding, SearchRange]:
    """Which backend auto takes here, why the better ones cannot run, and how far it looks.

    Raises:
        ParameterError: no value that the node would take.
    """
    settings = MatcherSettings(max_disparity=max_disparity)
    try:
        ready = create_matcher(settings)
    except FFStereoError as error:
        return Finding("bad", "backend", str(error)), SearchRange(max_disparity)
    matcher = ready.matcher
    matcher.backend.close()
    found = Finding("ok", "backend", f"auto takes {ready.reason.removeprefix('backend ')}")
    return found, SearchRange(matcher.max_disparity, matcher.scale)


def _targets(args: argparse.Namespace, search: SearchRange) -> Report:
    camera = partial(read_any_camera, args.camera) if args.camera else None
    if args.topics:
        return _live(args, search, camera)
    if len(args.target) > 2:
        raise InputFileError(f"{len(args.target)} targets: give LEFT RIGHT, one scene, or one bag")
    if len(args.target) == 2:
        left, right = args.target
        return {f"{left} and {right}": _image_files(left, right, search, camera)}
    if not args.target:
        return {}
    target = args.target[0]
    if is_bag(target):
        topics = {"left": args.left_topic, "right": args.right_topic}
        with Bag(target) as bag:
            return {str(target): check_bag(bag, node_decoders(), search, camera=camera, **topics)}
    if target.is_file():
        raise InputFileError(f"{target}: is one file; give LEFT and RIGHT, the folder of a scene, or a bag")
    return {scene.name: _scene(scene, search, camera) for scene in find_scenes(target)}


def _image_files(left: Path, right: Path, search: SearchRange, camera: CameraOf | None) -> list[Finding]:
    pair = read_pair(left, right)
    return check_pair([pair], None if camera is None else camera(pair[0].shape[1], pair[0].shape[0]), search)


def _scene(scene: Scene, search: SearchRange, given: CameraOf | None) -> list[Finding]:
    try:
        data = scene.load()
        camera = data.camera if given is None else given(data.left.shape[1], data.left.shape[0])
    except FFStereoError as error:
        return [Finding("bad", "files", str(error))]
    trouble = [Finding("note", "calibration", data.camera_trouble)] if data.camera_trouble and given is None else []
    return trouble + check_pair([(data.left, data.right)], camera, search)


def _live(args: argparse.Namespace, search: SearchRange, given: CameraOf | None) -> Report:
    try:
        from ffstereo_ros.ros.topic_survey import survey
    except ImportError as error:
        raise MissingDependencyError(
            f"{error}: live topics need ROS 2; source its setup.bash, or record a bag and give that"
        ) from error
    found = survey(args.namespace, args.left_topic, args.right_topic, args.seconds)
    findings = [*found.findings, *judge_stamps(found.stamps)]
    if found.pairs:
        height, width = found.pairs[0][0].shape[:2]
        findings += check_pair(found.pairs, found.camera if given is None else given(width, height), search)
    return {f"live topics {found.left} and {found.right}": findings}

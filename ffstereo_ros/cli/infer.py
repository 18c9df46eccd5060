"""``ffstereo infer LEFT RIGHT --output DIR``: one pair of files in, disparity, depth and cloud out."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ffstereo_ros.cli.matching import add_filter_arguments, add_matching_arguments, filters_of, options_of, settings_of
from ffstereo_ros.cli.output_folder import add_output_arguments, claim
from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.filters.chain import FilterChain, FilterSettings
from ffstereo_ros.core.geometry import depth_from_disparity, points_from_depth
from ffstereo_ros.core.matcher import StereoResult
from ffstereo_ros.factory import create_matcher
from ffstereo_ros.files.cameras import read_camera
from ffstereo_ros.files.clouds import write_ply
from ffstereo_ros.files.images import colour_disparity, read_pair, write_rgb
from ffstereo_ros.files.whole import write_array


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("infer", help="disparity, depth and cloud of one pair of image files")
    parser.add_argument("left", type=Path, metavar="LEFT", help="left rectified image")
    parser.add_argument("right", type=Path, metavar="RIGHT", help="right rectified image")
    add_output_arguments(parser)
    parser.add_argument(
        "--camera",
        metavar="FILE",
        help="calibration: calib.json, K.txt, a folder with calib.json or left.yaml and right.yaml, or "
        "LEFT.yaml,RIGHT.yaml",
    )
    parser.add_argument("--raw", action="store_true", help="also write disparity_raw.npy, the answer before any mask")
    add_matching_arguments(parser)
    add_filter_arguments(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: an input cannot be used, or results would be overwritten.
    """
    left, right = read_pair(args.left, args.right)
    camera = read_camera(args.camera, left.shape[1], left.shape[0]) if args.camera else None
    claim(args.output, _names(camera is not None, args.raw), force=args.force)
    filters = filters_of(args)
    ready = create_matcher(settings_of(args))
    print(ready.reason)
    matched = ready.matcher.match(left, right)
    result = FilterChain(filters, ready.matcher).apply(matched, left, right).result
    _write_disparity(args.output, result, raw=args.raw)
    if np.isfinite(result.disparity).any():
        _tell_disparity(result)
    else:
        print(f"disparity: {_why_nothing(matched, filters)} ({1000 * result.infer_seconds:.0f} ms)")
    if camera is not None:
        _write_depth(args.output, result, camera, left)
    ready.matcher.backend.close()
    print(f"written to {args.output}: {', '.join(_names(camera is not None, args.raw))}")
    return 0


def _names(with_camera: bool, raw: bool) -> tuple[str, ...]:
    metric = ("depth.npy", "cloud.ply") if with_camera else ()
    return ("disparity.npy", "disparity.png", *metric, *(("disparity_raw.npy",) if raw else ()))


def _write_disparity(output: Path, result: StereoResult, *, raw: bool) -> None:
    write_array(output / "disparity.npy", result.disparity)
    write_rgb(output / "disparity.png", colour_disparity(result.disparity))
    if raw:
        write_array(output / "disparity_raw.npy", result.raw_disparity)


def _write_depth(output: Path, result: StereoResult, camera: StereoCamera, left: np.ndarray) -> None:
    depth = depth_from_disparity(result.disparity, camera)
    write_array(output / "depth.npy", depth)
    count = write_ply(output / "cloud.ply", points_from_depth(depth, camera), left)
    if count:
        low, middle, high = np.nanpercentile(depth, (5, 50, 95))
        print(f"depth: median {middle:.3f} m, 5 % to 95 % {low:.3f} to {high:.3f} m; cloud of {count} points")


def _why_nothing(matched: StereoResult, filters: FilterSettings) -> str:
    """Why no pixel is left of what was matched, and what to do."""
    if not np.isfinite(matched.disparity).any():
        return "no pixel answered; is the pair rectified, and left given before right?"
    options = " ".join(options_of(filters))
    return f"no pixel is left: every one that answered was taken out by the filters {options}; ask for less"


def _tell_disparity(result: StereoResult) -> None:
    known = np.isfinite(result.disparity)
    seconds = f"{1000 * result.infer_seconds:.0f} ms"
    low, high = np.nanpercentile(result.disparity, (1, 99))
    print(f"disparity: {known.mean():.1%} of pixels answered, 1 % to 99 % {low:.1f} to {high:.1f} px, in {seconds}")
    if result.negative_fraction > 0.02:
        print(
            f"warning: {result.negative_fraction:.1%} of disparities are negative, the symptom of weights converted "
            "with the wrong --normalize-correlation; convert them again with the other value"
        )

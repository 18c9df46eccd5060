"""``ffstereo build-engine WEIGHTS --size 480x640``: a TensorRT engine for this machine, proven when it is loaded."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.params import BY_NAME

if TYPE_CHECKING:
    from ffstereo_ros.export.blueprint import Blueprint


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("build-engine", help="weights to a TensorRT engine", description=__doc__)
    parser.add_argument(
        "weights",
        metavar="WEIGHTS",
        help="a .safetensors file, a name of `ffstereo weights list`, or a folder that "
        "--export-only made on another machine (torch is not needed then)",
    )
    parser.add_argument(
        "--size",
        default="480x640",
        metavar="HxW",
        help="rows x columns, px, rounded up to multiples of 32 (default: %(default)s)",
    )
    for name in ("iterations", "max_disparity"):
        parameter = BY_NAME[name]
        text = f"{parameter.description} Allowed: {parameter.allowed()} (default: %(default)s)"
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=parameter.default, metavar="N", help=text)
    parser.add_argument(
        "--precision",
        choices=("fp16", "bf16", "fp32"),
        default="fp16",
        help="arithmetic of the network; norms, softmax and disparity stay in fp32 (default: %(default)s)",
    )
    parser.add_argument(
        "--library",
        choices=("auto", "tensorrt", "tensorrt_rtx"),
        default="auto",
        help="who builds (default: %(default)s)",
    )
    parser.add_argument(
        "--compute-capability",
        default="",
        metavar="N.N",
        help="build for another GPU than the one here; tensorrt_rtx only",
    )
    parser.add_argument(
        "--export-only", type=Path, metavar="DIR", help="write graph and self-test there, build nothing"
    )
    parser.add_argument(
        "--force", action="store_true", help="build it anew although it is there: one that fails its self-test, say"
    )
    parser.add_argument(
        "--custom-kernels",
        action="store_true",
        help="the volume by our CUDA kernel, as a plugin; TensorRT 10.9 or newer, measured on no GPU yet",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: weights or settings are refused, the export or the build failed, or nothing can be written.
    """
    height, width = parse_size(args.size)
    BY_NAME["iterations"].check(args.iterations)
    BY_NAME["max_disparity"].check(args.max_disparity)
    if args.export_only is not None:
        _blueprint(args, height, width).write(args.export_only)
        print(f"{args.export_only}: graph and self-test; on the robot: ffstereo build-engine {args.export_only}")
        return 0
    from ffstereo_ros.backends.tensorrt_library import load_tensorrt
    from ffstereo_ros.export.engine_build import build_engine, target_of

    library = load_tensorrt(args.library)
    target = target_of(library, args.compute_capability)
    stored = build_engine(_blueprint(args, height, width), library, target, print, force=args.force)
    record = stored.record
    print(
        f"{stored.folder}: {record.plan_bytes / 1e6:.1f} MB, {record.layers} layers, {record.build_seconds:g} s, for "
        f"{record.key.gpu}; the node and --backend tensorrt find it, and test it whenever they load it"
    )
    return 0


def parse_size(text: str) -> tuple[int, int]:
    """``480x640`` (rows x columns) to multiples of 32 px.

    Raises:
        ParameterError: not two positive numbers.
    """
    found = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text.strip())
    if not found or min(int(side) for side in found.groups()) < 32:
        raise ParameterError(f"size {text!r}: rows x columns in px are needed, each at least 32, such as 480x640")
    height, width = (-(-int(side) // 32) * 32 for side in found.groups())
    return height, width


def _blueprint(args: argparse.Namespace, height: int, width: int) -> Blueprint:
    from ffstereo_ros.export.blueprint import Blueprint, draw_blueprint
    from ffstereo_ros.export.self_test import UNTRAINED
    from ffstereo_ros.factory import find_weights, max_iterations, require_torch
    from ffstereo_ros.weights.cache import known_weights

    folder = Path(args.weights).expanduser()
    if args.weights not in known_weights() and folder.is_dir():
        return Blueprint.read(folder)
    require_torch()
    from ffstereo_ros.export.onnx_graph import GraphSettings

    weights = find_weights(args.weights)
    iterations = min(args.iterations, max_iterations(weights))
    settings = GraphSettings(height, width, iterations, args.max_disparity, args.precision, args.custom_kernels)
    print(f"exporting {weights.stem}, {width}x{height} px, {iterations} iterations, {args.precision}")
    blueprint = draw_blueprint(weights, settings)
    if blueprint.cases[0].name == UNTRAINED:
        print("these weights miss a known shift even in PyTorch: are they trained, with the right normalisation?")
    return blueprint

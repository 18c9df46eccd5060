"""``ffstereo train``: trains a preset on generated scenes, or fine-tunes weights on your own pairs with disparity."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from ffstereo_ros.cli.packages import require
from ffstereo_ros.factory import find_weights
from ffstereo_ros.training.settings import (
    CROPS,
    DEFAULT_BATCH,
    DEFAULT_ENLARGED,
    CropPlan,
    TrainSettings,
    name_and_batch,
    with_batch,
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command.

    An option that is not named is None: the state of a run that is gone on with, or `TrainSettings`, has its value.
    """
    parser = subparsers.add_parser("train", help="train on generated scenes, or fine-tune on your own pairs")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for weights, state and curves"
    )
    parser.add_argument("--preset", help="architecture of a fresh network (default: mini)")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="steps of the whole run (default: 1000, with --minutes no limit)"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="end after this long, if --steps has not by then")
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="begin with these: a .safetensors file, or a name such as mini"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="train on these pairs with disparity instead")
    parser.add_argument("--evaluate-on", type=Path, metavar="DIR", help="also evaluate on these scenes, now and then")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto, the CPU with several --processes)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the state in --output, which remembers what the run is; --steps, --minutes, --evaluate-on, "
        "--device, --workers and --threads are given anew",
    )
    _add_learning(parser)
    return parser


def _add_learning(parser: argparse.ArgumentParser) -> None:
    """How it learns, and by how many processes."""
    parser.add_argument("--seed", type=int, help="of the weights and the scenes (default: 0)")
    parser.add_argument("--learning-rate", type=float, help="peak of the cycle (default: 8e-4)")
    parser.add_argument("--iterations", type=int, help="refinements per step (default: 2)")
    parser.add_argument(
        "--batch", type=int, metavar="N", help="pairs of a step; large and tiny crops take half (default: 4)"
    )
    parser.add_argument("--workers", type=int, help="processes that make batches (default: 1)")
    parser.add_argument("--processes", type=int, metavar="N", help="share each batch, one CPU thread each (default: 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the training itself (default: all)")
    parser.add_argument(
        "--crops",
        choices=tuple(CROPS),
        help="sizes of the pairs: mixed, from 384x192 px on; large, from 512x256 px on, for the end of a run; "
        "tiny, 128x64 px, to see that everything works (default: mixed)",
    )
    parser.add_argument(
        "--enlarged",
        type=float,
        metavar="SHARE",
        help=f"share of generated pairs that are enlarged images, as at a scale above 1 (default: {DEFAULT_ENLARGED})",
    )
    parser.add_argument(
        "--frozen-norms",
        action="store_true",
        default=None,
        help="keep the batch norm statistics of --init: for the end of a run, and for fine-tuning on few pairs",
    )
    parser.add_argument(
        "--robust-loss",
        action="store_true",
        default=None,
        help="errors beyond 4 px count as their logarithm: for the end of a run, where what nobody can know would "
        "otherwise outweigh what is nearly right",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: a setting or a file cannot be used.
    """
    require("torch", "safetensors", "tqdm", "matplotlib")  # the last draws curves after the first 20 minutes
    import torch

    from ffstereo_ros.training.loop import train

    if args.threads is not None:
        torch.set_num_threads(max(1, args.threads))
    result = train(_settings(args))
    print(f"{result.progress.step} steps, {result.progress.samples} pairs, {result.progress.minutes:.1f} minutes")
    for group, figures in result.figures.items():
        print(f"{group}: bad2 {figures['bad2']:.1f} %, D1 {figures['d1']:.1f} %, EPE {figures['epe']:.2f} px")
    print(f"weights: {args.output / 'weights.safetensors'}")
    return 0


def _settings(args: argparse.Namespace) -> TrainSettings:
    """What the command line names, then what the run that is gone on with remembers, then the defaults."""
    from ffstereo_ros.training.state import read_record

    record = read_record(args.output) if args.resume else None
    remembered = {} if record is None else record.arguments()
    names = {field.name for field in dataclasses.fields(TrainSettings)} & set(vars(args)) - {"crops"}
    named = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.init is not None:
        named["init"] = find_weights(args.init)
    return TrainSettings(**{**remembered, **named, "crops": _crops(args, remembered)})


def _crops(args: argparse.Namespace, remembered: dict[str, Any]) -> tuple[CropPlan, ...]:
    """As `_settings`; ``--crops`` and ``--batch`` are named one by one."""
    crops: tuple[CropPlan, ...] | None = remembered.get("crops")
    if crops is not None and args.crops is None and args.batch is None:
        return crops
    name, batch = (name_and_batch(crops) if crops else None) or ("mixed", DEFAULT_BATCH)
    return with_batch(CROPS[args.crops or name], batch if args.batch is None else args.batch)

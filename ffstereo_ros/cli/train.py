"""``ffstereo train``: trains a preset on generated scenes, or fine-tunes weights on your own pairs with disparity."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ffstereo_ros.cli.packages import require
from ffstereo_ros.training.settings import CROPS, DEFAULT_ENLARGED


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("train", help="train on generated scenes, or fine-tune on your own pairs")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for weights, state and curves"
    )
    parser.add_argument("--preset", default="mini", help="architecture of a fresh network (default: mini)")
    parser.add_argument("--steps", type=int, default=1000, metavar="N", help="steps of the whole run (default: 1000)")
    parser.add_argument("--minutes", type=float, metavar="M", help="end after this long, if --steps has not by then")
    parser.add_argument("--init", type=Path, metavar="FILE", help="begin with these weights (.safetensors)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="train on these pairs with disparity instead")
    parser.add_argument("--evaluate-on", type=Path, metavar="DIR", help="also evaluate on these scenes, now and then")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --output")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the scenes (default: 0)")
    parser.add_argument("--learning-rate", type=float, default=8e-4, help="peak of the cycle (default: 8e-4)")
    parser.add_argument("--iterations", type=int, default=2, help="refinements per step (default: 2)")
    parser.add_argument(
        "--batch", type=int, default=4, metavar="N", help="pairs of a step; large crops take half (default: 4)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that make batches (default: 1)")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="share each batch, one CPU thread each (default: 1)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the training itself (default: all)")
    parser.add_argument(
        "--crops",
        choices=tuple(CROPS),
        default="mixed",
        help="sizes of the pairs: mixed, from 384x192 px on; large, from 512x256 px on, for the end of a run; "
        "tiny, 128x64 px, to see that everything works (default: mixed)",
    )
    parser.add_argument(
        "--enlarged",
        type=float,
        default=DEFAULT_ENLARGED,
        metavar="SHARE",
        help="share of generated pairs that are enlarged images, as at a scale above 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--frozen-norms",
        action="store_true",
        help="keep the batch norm statistics of --init: for the end of a run, and for fine-tuning on few pairs",
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: a setting or a file cannot be used.
    """
    require("torch", "safetensors", "tqdm", "matplotlib")  # the last draws curves after the first 20 minutes
    import torch

    from ffstereo_ros.training.loop import train
    from ffstereo_ros.training.settings import TrainSettings, with_batch

    if args.threads is not None:
        torch.set_num_threads(max(1, args.threads))
    names = {field.name for field in dataclasses.fields(TrainSettings)} & set(vars(args)) - {"crops"}
    crops = with_batch(CROPS[args.crops], args.batch)
    result = train(TrainSettings(**{name: getattr(args, name) for name in names}, crops=crops))
    print(f"{result.progress.step} steps, {result.progress.samples} pairs, {result.progress.minutes:.1f} minutes")
    for group, figures in result.figures.items():
        print(f"{group}: bad2 {figures['bad2']:.1f} %, D1 {figures['d1']:.1f} %, EPE {figures['epe']:.2f} px")
    print(f"weights: {args.output / 'weights.safetensors'}")
    return 0

"""``ffstereo convert CHECKPOINT.pth OUTPUT.safetensors``: a pickled checkpoint to a file that is safe to load."""

from __future__ import annotations

import argparse
from pathlib import Path

from ffstereo_ros.errors import InputFileError, ParameterError
from ffstereo_ros.weights.packages import require_converter

_NORMALIZE = {"auto": None, "true": True, "false": False}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser(
        "convert", help="a pickled checkpoint to safetensors, nothing in it being run", description=__doc__
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="the authors' .pth file")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the .safetensors file to write")
    parser.add_argument(
        "--normalize-correlation",
        choices=sorted(_NORMALIZE),
        default="auto",
        help="whether the weights expect normalised features in the correlation; auto: what the file says, "
        "else what is known of the release with this sha256 (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="replace OUTPUT where it exists")
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: the checkpoint is refused, or the output cannot be written.
    """
    check_output(args.output, args.force)
    require_converter()
    from ffstereo_ros.network.checkpoint.official import load_official
    from ffstereo_ros.network.checkpoint.store import save_weights

    loaded = load_official(args.checkpoint, _NORMALIZE[args.normalize_correlation])
    save_weights(args.output, loaded)
    config, metadata = loaded.config, loaded.metadata
    numbers = sum(tensor.numel() for tensor in loaded.tensors.values())
    print(f"{args.output}: {len(loaded.tensors)} tensors, {numbers / 1e6:.1f} million numbers, name {metadata.name}")
    print(
        f"normalised correlation: {str(config.volume.normalize).lower()}, largest disparity {config.max_disparity} px, "
        f"sha256 of the source {metadata.source_sha256[:12]}..., licence: {metadata.licence}"
    )
    return 0


def check_output(output: Path, force: bool) -> None:
    """Refuse an output that is there already (without `force`) or is named as no safetensors file."""
    if output.suffix != ".safetensors":
        raise ParameterError(f"output {output}: must end in .safetensors")
    if output.exists() and not force:
        raise InputFileError(f"output {output}: is there already; choose another name or add --force")

"""``ffstereo weights list | download NAME --accept-license``: the networks that are here and that can be fetched."""

from __future__ import annotations

import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Declares the command."""
    parser = subparsers.add_parser("weights", help="list or download network weights", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="weights that are here, and releases that can be had")
    fetch = actions.add_parser("download", help="fetch a release, check it, and convert it into the cache")
    fetch.add_argument("name", metavar="NAME", help="a release of `ffstereo weights list`")
    fetch.add_argument("--accept-license", action="store_true", help="you have read the licence and agree to it")
    fetch.add_argument("--endpoint", metavar="URL", help="another address of the hub (default: $HF_ENDPOINT)")
    fetch.add_argument("--force", action="store_true", help="fetch it again where it is in the cache")
    return parser


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FFStereoError: the release does not exist, is not accepted, or cannot be fetched or stored.
    """
    return _list() if args.action == "list" else _download(args)


def _list() -> int:
    from ffstereo_ros.weights.cache import cache_dir, cache_trouble, describe, known_weights
    from ffstereo_ros.weights.releases import BY_HAND, HUB_RELEASES, instructions

    here = known_weights()
    print(f"here ({cache_trouble() or f'cache: {cache_dir()}'}):")
    for file in here.values():
        print(f"  {describe(file)}")
    if not here:
        print("  none")
    _list_engines()
    print("to download (ffstereo weights download NAME --accept-license):")
    for name, release in HUB_RELEASES.items():
        state = "in the cache" if name in here else f"{release.checkpoint.size_bytes / 1e6:.0f} MB"
        print(f"  {name}  {state}, licence: {release.checkpoint.licence}")
    print("to get by hand:")
    for known in BY_HAND:
        print(f"  {known.name}  {known.size_bytes / 1e6:.0f} MB, licence: {known.licence}")
    print(f"  {instructions('NAME')}")
    return 0


def _list_engines() -> None:
    from ffstereo_ros.export.engine_cache import stored_engines

    listing = stored_engines()
    if not listing.engines and not listing.damaged:
        return
    from ffstereo_ros.export.engine_listing import describe_engines

    print("TensorRT engines (ffstereo build-engine):")
    for line in describe_engines(listing):
        print(f"  {line}")


def _download(args: argparse.Namespace) -> int:
    from ffstereo_ros.weights.download import download
    from ffstereo_ros.weights.releases import find_release

    release = find_release(args.name)
    path = download(release, accepted=args.accept_license, show=print, endpoint=args.endpoint, force=args.force)
    print(f"{path}: ready; use it as --weights {release.checkpoint.name}")
    return 0

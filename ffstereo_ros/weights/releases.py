"""The published networks a user may fetch: one from the Hugging Face hub by this package, the others by hand."""

from __future__ import annotations

from dataclasses import dataclass

from ffstereo_ros.errors import ParameterError, WeightsError
from ffstereo_ros.network.checkpoint.known import KNOWN_CHECKPOINTS, KnownCheckpoint

DRIVE_PAGE = "https://github.com/NVlabs/Fast-FoundationStereo"


@dataclass(frozen=True)
class HubRelease:
    """A checkpoint in a Hugging Face repository, pinned by revision and by the sha256 of its single .pth file."""

    checkpoint: KnownCheckpoint
    repository: str
    revision: str


def _known(name: str) -> KnownCheckpoint:
    return next(known for known in KNOWN_CHECKPOINTS if known.name == name)


HUB_RELEASES = {
    "c-fast-foundationstereo": HubRelease(
        _known("c-fast-foundationstereo"),
        "nvidia/c-fast-foundationstereo",
        "9b446878c81ddb27593036767b29b2859d46103e",
    ),
}
BY_HAND = tuple(known for known in KNOWN_CHECKPOINTS if known.name not in HUB_RELEASES)


def find_release(name: str) -> HubRelease:
    """The release of that name; the repository's owner may be left out.

    Raises WeightsError with instructions for a checkpoint that only its authors' shared folder holds, and
    ParameterError for a name nobody published.
    """
    short = name.removeprefix("nvidia/")
    if short in HUB_RELEASES:
        return HUB_RELEASES[short]
    if any(known.name == short for known in BY_HAND):
        raise WeightsError(instructions(short))
    names = ", ".join((*HUB_RELEASES, *(known.name for known in BY_HAND)))
    raise ParameterError(f"weights {name!r}: no such release; there are {names}")


def instructions(name: str) -> str:
    """How to get a checkpoint that cannot be fetched automatically."""
    return (
        f"{name} lies in a shared folder that its authors link from {DRIVE_PAGE}: read their licence there, download "
        f"{name}/model_best_bp2_serialize.pth, then run "
        f"`ffstereo convert model_best_bp2_serialize.pth {name}.safetensors`"
    )

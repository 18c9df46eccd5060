"""The published checkpoints: what their files do not say about themselves, found by their sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

DRIVE_LICENCE = "NVIDIA Source Code License (non-commercial)"
HUB_LICENCE = "NVIDIA Open Model Agreement"


@dataclass(frozen=True)
class KnownCheckpoint:
    """One published checkpoint; `normalize`: features are normalised before the group-wise correlation."""

    name: str
    sha256: str
    size_bytes: int
    normalize: bool
    licence: str


KNOWN_CHECKPOINTS = (
    KnownCheckpoint(
        "c-fast-foundationstereo",
        "7aee85948373da62b0503c2542507129a3e7cab9d97d10e6790d89512a7db214",
        71_105_659,
        True,
        HUB_LICENCE,
    ),
    KnownCheckpoint(
        "23-36-37",
        "af0658f289ec840b292645f8d5538978f06e8cabaa1fd31e84acc91af268e990",
        71_098_210,
        True,
        DRIVE_LICENCE,
    ),
    KnownCheckpoint(
        "20-26-39",
        "d147587849b3482dd2921eef60dc2cd9e12690735612e91ee2782a92f8d1c59e",
        67_971_170,
        False,
        DRIVE_LICENCE,
    ),
    KnownCheckpoint(
        "20-30-48",
        "98b5a9acf39fbfa795025de8cea95ce123daa40f6b6234d719167751024cf692",
        62_078_956,
        False,
        DRIVE_LICENCE,
    ),
)


def find_known(sha256: str) -> KnownCheckpoint | None:
    """The published checkpoint with this hash, or None."""
    return next((known for known in KNOWN_CHECKPOINTS if known.sha256 == sha256), None)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

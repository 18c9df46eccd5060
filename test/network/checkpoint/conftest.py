"""A golden checkpoint unpacked, and a small file in the authors' format, written once."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from claimed_classes import save_official
from official_format import Writer
from small_networks import ARRANGEMENTS


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file arranged as the released one, narrower, that does not say whether to normalise."""
    return save_official(Writer(ARRANGEMENTS["searched"]).network(), tmp_path_factory.mktemp("small") / "small.pth")


@pytest.fixture(scope="session")
def golden_checkpoint(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden file in the format of the released 23-36-37."""
    packed = shared / "model" / "golden" / "official_format_searched.pth.xz"
    path = tmp_path_factory.mktemp("golden") / "searched.pth"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path

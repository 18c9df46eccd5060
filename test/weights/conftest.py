"""A cache of its own for every test, and a small release on a hub of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from claimed_classes import save_official
from local_hub import LocalHub, serve
from official_format import Writer
from small_networks import ARRANGEMENTS

from ffstereo_ros.network.checkpoint.known import KnownCheckpoint, sha256_of
from ffstereo_ros.weights import releases
from ffstereo_ros.weights.releases import HubRelease

LICENCE = "THE TERMS\n\nYou may use this network for tests."


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test; nothing of the user's is read."""
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint in the authors' format."""
    return save_official(Writer(ARRANGEMENTS["searched"]).network(), tmp_path_factory.mktemp("hub") / "model_best.pth")


@pytest.fixture
def release(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> HubRelease:
    """A release of that checkpoint under a name that `ffstereo weights` knows."""
    known = KnownCheckpoint("tiny", sha256_of(checkpoint), checkpoint.stat().st_size, False, "Test Agreement")
    made = HubRelease(known, "someone/tiny", "a" * 40)
    monkeypatch.setitem(releases.HUB_RELEASES, "tiny", made)
    return made


@pytest.fixture
def hub(release: HubRelease, checkpoint: Path) -> Iterator[LocalHub]:
    """The hub that serves the release."""
    files = {
        "README.md": b"---\nlicense: other\n---\n# tiny",
        "LICENSE": LICENCE.encode(),
        "cfg.yaml": b"max_disp: 416\n",
        checkpoint.name: checkpoint.read_bytes(),
    }
    with serve(LocalHub(release.repository, release.revision, files)) as running:
        yield running

"""Whole checkpoints to weights: the normalisation flag, metadata, unfit numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from claimed_classes import make_plain, save_official
from official_format import Writer
from small_networks import ARRANGEMENTS

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint import known, official
from ffstereo_ros.network.checkpoint.known import KNOWN_CHECKPOINTS, KnownCheckpoint, sha256_of
from ffstereo_ros.network.checkpoint.official import load_official


def test_unknown_file_asks_for_the_flag(small_checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match=r"small\.pth: does not say .* --normalize-correlation true .* negative"):
        load_official(small_checkpoint)


@pytest.mark.parametrize("stated", [True, False, 0, 1])
def test_file_that_says_is_believed(stated: Any, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network(normalize=stated)
    path = save_official(root, tmp_path / "x.pth")
    assert load_official(path).config.volume.normalize is bool(stated)
    assert load_official(path, not stated).config.volume.normalize is not bool(stated)  # the user has the last word


def test_flag_on_the_network_or_in_a_namespace(tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network()
    root.normalize = False
    assert load_official(save_official(root, tmp_path / "x.pth")).config.volume.normalize is False
    root.args = make_plain("argparse.Namespace", normalize=True, max_disp=192)
    assert load_official(save_official(root, tmp_path / "y.pth")).config.volume.normalize is True


@pytest.mark.parametrize("stated", ["yes", 2, 0.5, []])
def test_flag_that_is_neither_is_refused(stated: Any, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network(normalize=stated)
    with pytest.raises(WeightsError, match=r"args\.normalize is .*expected true or false"):
        load_official(save_official(root, tmp_path / "x.pth"))


@pytest.mark.parametrize("normalize", [True, False])
def test_known_hash_settles_it(normalize: bool, small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = KnownCheckpoint("a-b-c", sha256_of(small_checkpoint), 1, normalize, "some terms")
    monkeypatch.setattr(known, "KNOWN_CHECKPOINTS", (release,))
    loaded = load_official(small_checkpoint)
    assert loaded.config.volume.normalize is normalize
    assert (loaded.metadata.name, loaded.metadata.licence) == ("a-b-c", "some terms")


def test_known_releases() -> None:
    """The table of section 8.4 of the architecture page."""
    flags = {release.name: release.normalize for release in KNOWN_CHECKPOINTS}
    assert flags == {"c-fast-foundationstereo": True, "23-36-37": True, "20-26-39": False, "20-30-48": False}
    assert all(len(release.sha256) == 64 for release in KNOWN_CHECKPOINTS)


def test_metadata_say_where_it_comes_from(small_checkpoint: Path) -> None:
    metadata = load_official(small_checkpoint, True).metadata
    assert (metadata.name, metadata.source) == ("small", "small.pth")
    assert metadata.source_sha256 == sha256_of(small_checkpoint)
    assert metadata.licence == official.UNKNOWN_LICENCE


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_unfit_numbers_are_named(bad: float, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network()
    with torch.no_grad():
        root.stem_2[1].weight[0, 0, 0, 0] = bad
    with pytest.raises(WeightsError, match=r"NaN or infinite numbers in 1 tensors: stem_2\.1\.weight"):
        load_official(save_official(root, tmp_path / "x.pth"), True)


def test_state_dict_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(Writer(ARRANGEMENTS["searched"]).network().state_dict(), path)
    with pytest.raises(WeightsError, match=r"holds a dict \(.*arrangement of blocks is not in it; use the \.pth"):
        load_official(path, True)


def test_nothing_of_the_file_is_imported(small_checkpoint: Path) -> None:
    """The reader works where neither the authors' code nor omegaconf nor timm is installed."""
    import subprocess
    import sys

    code = (
        "import sys; from ffstereo_ros.network.checkpoint.official import load_official; "
        f"load_official({str(small_checkpoint)!r}, True); "
        "bad = [n for n in sys.modules if n.split('.')[0] in ('core', 'foundation_stereo_ori', 'timm', 'omegaconf')]; "
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr

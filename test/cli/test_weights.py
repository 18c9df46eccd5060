"""``ffstereo weights``: the list, the refusals, and a download through the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from claimed_classes import save_official
from local_hub import LocalHub, serve
from not_root import not_root
from official_format import Writer
from small_networks import ARRANGEMENTS

from ffstereo_ros.cli.main import main
from ffstereo_ros.network.checkpoint.known import KnownCheckpoint, sha256_of
from ffstereo_ros.network.checkpoint.store import load_weights
from ffstereo_ros.weights import releases


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test."""
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def test_list_without_anything(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert str(cache) in out
    assert "c-fast-foundationstereo  71 MB, licence: NVIDIA Open Model Agreement" in out
    for name in ("23-36-37", "20-26-39", "20-30-48", "ffstereo convert"):
        assert name in out
    assert not cache.exists()


def test_list_names_what_cannot_be_read(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache.mkdir(parents=True)
    (cache / "gone.safetensors").symlink_to(cache / "nowhere")
    (cache / "folder.safetensors").mkdir()
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert f"gone  (cache)  unusable: {cache}/gone.safetensors: No such file or directory" in out
    assert "folder  (cache, " in out
    assert "mini  (shipped, " in out


def test_list_without_a_cache_that_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0  # all that it imports is there, also for who may not read it
    (tmp_path / "cache").mkdir(mode=0o000)
    capsys.readouterr()
    with not_root():
        assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert f"here (cache folder {tmp_path}/cache/weights cannot be read (Permission denied)" in out
    assert "mini  (shipped, " in out
    assert f"engine cache: {tmp_path}/cache/engines cannot be read (Permission denied)" in out


def test_list_without_a_home(homeless: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert "here (this user has no home folder" in out
    assert "mini  (shipped, " in out


def test_release_of_the_shared_folder_gives_instructions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "download", "20-30-48", "--accept-license"]) == 1
    assert "ffstereo convert model_best_bp2_serialize.pth 20-30-48.safetensors" in capsys.readouterr().err


def test_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "download", "huge", "--accept-license"]) == 1
    assert "no such release" in capsys.readouterr().err


def test_download(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")
    path = save_official(Writer(ARRANGEMENTS["searched"]).network(), tmp_path / "model.pth")
    known = KnownCheckpoint("tiny", sha256_of(path), path.stat().st_size, True, "Test Agreement")
    monkeypatch.setitem(releases.HUB_RELEASES, "tiny", releases.HubRelease(known, "someone/tiny", "a" * 40))
    hub = LocalHub("someone/tiny", "a" * 40, {"LICENSE": b"THE TERMS", "model.pth": path.read_bytes()})
    with serve(hub):
        assert main(["weights", "download", "tiny", "--endpoint", hub.url]) == 1
        told = capsys.readouterr()
        assert "THE TERMS" in told.out
        assert "--accept-license" in told.err
        assert main(["weights", "download", "tiny", "--endpoint", hub.url, "--accept-license"]) == 0
    assert load_weights(cache / "tiny.safetensors").config.volume.normalize
    capsys.readouterr()
    assert main(["weights", "list"]) == 0
    assert "tiny  (cache, " in capsys.readouterr().out


def test_download_from_where_the_environment_says(tmp_path: Path) -> None:
    """In a process of its own, as the hub library reads HF_ENDPOINT once, and loads its parts when they are used."""
    pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")
    release = releases.HUB_RELEASES["c-fast-foundationstereo"]
    command = [sys.executable, "-m", "ffstereo_ros.cli.main", "weights", "download", release.checkpoint.name]
    with serve(LocalHub(release.repository, release.revision, {"LICENSE": b"THE TERMS"})) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "FFSTEREO_CACHE": str(tmp_path)}
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert hub.asked, told.stderr
    assert "THE TERMS" in told.stdout
    assert told.stderr.startswith("ffstereo weights: the NVIDIA Open Model Agreement of nvidia/")
    assert told.stderr.count("\n") == 1

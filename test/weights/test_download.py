"""The download against a stand-in of the hub: what it leaves in the cache, and that failures leave nothing."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from local_hub import LocalHub

from ffstereo_ros.errors import MissingDependencyError, ParameterError, WeightsError
from ffstereo_ros.network.checkpoint.store import load_weights
from ffstereo_ros.weights.download import download
from ffstereo_ros.weights.releases import HUB_RELEASES, HubRelease, find_release

pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")


def _get(release: HubRelease, hub: LocalHub | str, accepted: bool = True, force: bool = False) -> tuple[Path, str]:
    shown: list[str] = []
    url = hub if isinstance(hub, str) else hub.url
    path = download(release, accepted=accepted, show=shown.append, endpoint=url, force=force)
    return path, "\n".join(shown)


def _left(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*")) if cache.exists() else []


def test_release_lands_in_the_cache_converted(release: HubRelease, hub: LocalHub, cache: Path) -> None:
    path, shown = _get(release, hub)
    assert path == cache / "tiny.safetensors"
    assert "You may use this network for tests." in shown
    loaded = load_weights(path)
    assert loaded.config.volume.normalize is False  # from the table of releases: the file does not say
    assert (loaded.metadata.name, loaded.metadata.licence) == ("tiny", "Test Agreement")
    assert loaded.metadata.source == f"someone/tiny@{'a' * 40}"
    record = json.loads((cache / "tiny.licence.json").read_text())
    assert record["licence_text"].startswith("THE TERMS")
    assert record["source_sha256"] == release.checkpoint.sha256
    assert record["accepted"].endswith("+00:00")
    assert _left(cache) == ["tiny.licence.json", "tiny.safetensors"]


def test_second_download_asks_nobody(release: HubRelease, hub: LocalHub) -> None:
    _get(release, hub)
    hub.asked.clear()
    _, shown = _get(release, hub, accepted=False)
    assert hub.asked == []
    assert "is there already" in shown
    _get(release, hub, force=True)
    assert hub.asked != []


def test_licence_is_shown_but_nothing_fetched_unless_accepted(release: HubRelease, hub: LocalHub, cache: Path) -> None:
    shown: list[str] = []
    with pytest.raises(WeightsError, match=r"Test Agreement of someone/tiny is not accepted.*--accept-license"):
        download(release, accepted=False, show=shown.append, endpoint=hub.url)
    assert "THE TERMS" in shown[0]
    assert not any(path.endswith(".pth") for path in hub.asked)
    assert _left(cache) == []


def test_readme_stands_in_for_a_missing_licence_file(release: HubRelease, hub: LocalHub) -> None:
    del hub.files["LICENSE"]
    _, shown = _get(release, hub)
    assert "license: other" in shown
    del hub.files["README.md"]
    with pytest.raises(WeightsError, match="states no licence"):
        _get(release, hub, force=True)


def test_wrong_hash_is_thrown_away(release: HubRelease, hub: LocalHub, cache: Path) -> None:
    other = replace(release, checkpoint=replace(release.checkpoint, sha256="0" * 64))
    with pytest.raises(WeightsError, match=f"has sha256 {release.checkpoint.sha256}, expected {'0' * 64}"):
        _get(other, hub)
    assert _left(cache) == []


def test_malicious_replacement_is_thrown_away_unread(release: HubRelease, hub: LocalHub, cache: Path) -> None:
    hub.files["model_best.pth"] = b"cposix\nsystem\n(S'touch /tmp/ffstereo_pwned'\ntR."
    with pytest.raises(WeightsError, match="has sha256"):
        _get(release, hub)
    assert _left(cache) == []


@pytest.mark.parametrize(("added", "count"), [({"other.pth": b""}, 2), ({}, 0)])
def test_one_checkpoint_is_expected(added: dict[str, bytes], count: int, release: HubRelease, hub: LocalHub) -> None:
    if not added:
        del hub.files["model_best.pth"]
    hub.files.update(added)
    with pytest.raises(WeightsError, match=rf"holds {count} \.pth files, expected one"):
        _get(release, hub)


def test_interrupted_download_leaves_nothing(
    release: HubRelease, hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection ends in the middle of the file, every time (without the library's pauses between tries)."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.cut = ".pth"
    with pytest.raises(WeightsError, match=r"someone/tiny cannot be fetched from http://127\.0\.0\.1") as caught:
        _get(release, hub)
    assert "\n" not in str(caught.value)
    assert _left(cache) == []


def test_ctrl_c_leaves_nothing(
    release: HubRelease, hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ffstereo_ros.weights.download._check_hash", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _get(release, hub)
    assert _left(cache) == []


def test_other_revision_is_refused(release: HubRelease, hub: LocalHub) -> None:
    with pytest.raises(WeightsError, match="someone/tiny cannot be fetched"):
        _get(replace(release, revision="b" * 40), hub)


def test_no_network(release: HubRelease, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with socket.socket() as free:  # bound, not listening: connections are refused
        free.bind(("127.0.0.1", 0))
        with pytest.raises(WeightsError, match="check the network and its proxy settings") as caught:
            _get(release, f"http://127.0.0.1:{free.getsockname()[1]}")
    assert "\n" not in str(caught.value)
    assert _left(cache) == []


def test_cache_that_cannot_be_written(
    release: HubRelease, hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the folder should be (a test as root cannot be denied by permissions)."""
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path / "occupied"))
    with pytest.raises(WeightsError, match=r"cache folder .*occupied.* cannot be written .*FFSTEREO_CACHE"):
        _get(release, hub)
    assert hub.asked == []


def test_full_disk_leaves_nothing(
    release: HubRelease, hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ffstereo_ros.network.checkpoint.store.save_file", full)
    with pytest.raises(WeightsError, match="No space left on device"):
        _get(release, hub)
    assert _left(cache) == []


def test_failed_refresh_keeps_what_was_there(
    release: HubRelease, hub: LocalHub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = _get(release, hub)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(WeightsError):
        _get(release, hub, force=True)
    assert path.read_bytes() == before
    assert _left(cache) == ["tiny.licence.json", "tiny.safetensors"]


def test_missing_hub_library_is_named(release: HubRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match="pip install huggingface_hub"):
        _get(release, "http://127.0.0.1:1")


def test_names() -> None:
    assert find_release("nvidia/c-fast-foundationstereo") is HUB_RELEASES["c-fast-foundationstereo"]
    with pytest.raises(WeightsError, match=r"20-30-48 lies in a shared folder.*ffstereo convert .*48\.safe"):
        find_release("20-30-48")
    with pytest.raises(ParameterError, match="no such release; there are c-fast-foundationstereo, 23-36-37"):
        find_release("huge")


def test_pinned_release() -> None:
    release = HUB_RELEASES["c-fast-foundationstereo"]
    assert release.revision.startswith("9b446878")
    assert len(release.revision) == 40
    assert release.checkpoint.sha256 == "7aee85948373da62b0503c2542507129a3e7cab9d97d10e6790d89512a7db214"
    assert release.checkpoint.normalize

"""Where weights are looked for, and what is said about each."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffstereo_ros.factory import find_weights
from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.store import save_weights
from ffstereo_ros.weights.cache import cache_dir, describe, known_weights


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_dir() == tmp_path / "cache" / "weights"
    monkeypatch.delenv("FFSTEREO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "ffstereo" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "ffstereo" / "weights"


def test_files_of_the_cache_are_known_by_name(checkpoint: Path, cache: Path) -> None:
    save_weights(cache / "mine.safetensors", load_official(checkpoint, True))
    (cache / ".mine.safetensors.1.part").touch()
    (cache / "broken.safetensors").write_bytes(b"\0" * 20)
    known = known_weights()
    assert {name for name, file in known.items() if file.place == "cache"} == {"mine", "broken"}
    assert describe(known["mine"]).startswith("mine  (cache, ")
    assert "up to 192 px, licence: unknown" in describe(known["mine"])
    assert "unusable: " in describe(known["broken"])


def test_shipped_weights_win_over_the_cache(cache: Path) -> None:
    shipped = [file for file in known_weights().values() if file.place == "shipped"]
    if not shipped:
        pytest.skip("needs weights that ship with the package")
    cache.mkdir(parents=True)
    (cache / shipped[0].path.name).touch()
    assert known_weights()[shipped[0].name].place == "shipped"


def test_name_in_the_cache_is_found_by_the_factory(checkpoint: Path, cache: Path) -> None:
    """What `ffstereo weights download NAME` leaves is what `--weights NAME` takes."""
    save_weights(cache / "mine.safetensors", load_official(checkpoint, True))
    assert find_weights("mine") == cache / "mine.safetensors"

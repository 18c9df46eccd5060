"""Where weights are looked for, and what is said about each."""

from __future__ import annotations

from pathlib import Path

import pytest
from not_root import not_root

import ffstereo_ros.weights
from ffstereo_ros.errors import CacheError
from ffstereo_ros.factory import find_weights
from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.store import save_weights
from ffstereo_ros.weights.cache import cache_dir, cache_trouble, claim_cache, describe, known_weights


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


def test_a_home_that_may_not_be_searched_hides_no_shipped_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a service runs as somebody else and HOME is still that of root."""
    (tmp_path / "home").mkdir(mode=0o000)
    monkeypatch.delenv("FFSTEREO_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    shipped = Path(ffstereo_ros.weights.__file__).parent / "mini.safetensors"
    with not_root():
        assert find_weights("") == find_weights("mini") == shipped
        assert "home/.cache/ffstereo/weights cannot be read (Permission denied)" in cache_trouble()


def test_without_a_home_shipped_weights_are_found_and_a_download_says_what_to_set(homeless: None) -> None:
    assert find_weights("").name == "mini.safetensors"
    with pytest.raises(CacheError, match=r"no home folder.*set HOME, or FFSTEREO_CACHE to a writable folder"):
        claim_cache()


def test_a_link_to_nothing_is_unusable(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "gone.safetensors").symlink_to(cache / "nowhere")
    assert describe(known_weights()["gone"]).startswith("gone  (cache)  unusable: ")


def test_a_cache_that_is_not_there_or_empty_is_no_trouble(cache: Path) -> None:
    assert cache_trouble() == ""
    cache.mkdir(parents=True)
    assert cache_trouble() == ""

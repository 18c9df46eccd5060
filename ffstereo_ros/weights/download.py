"""A release from the Hugging Face hub into the user's cache: licence first, then fetched, checked, converted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from ffstereo_ros.errors import MissingDependencyError, WeightsError
from ffstereo_ros.weights.cache import SUFFIX, claim_cache
from ffstereo_ros.weights.packages import require_converter
from ffstereo_ros.weights.releases import HubRelease

T = TypeVar("T")


@dataclass(frozen=True)
class Licence:
    """The terms as the repository states them."""

    file: str
    text: str

    @property
    def sha256(self) -> str:
        """Of the text, so that the record says which text was accepted."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class HubRepository:
    """One pinned revision of a Hugging Face repository; every failure of the network becomes one line."""

    def __init__(self, release: HubRelease, endpoint: str | None = None) -> None:
        try:
            import huggingface_hub
        except ImportError as error:
            raise MissingDependencyError(
                "huggingface_hub is not installed: pip install huggingface_hub, or download the .pth by hand from "
                f"https://huggingface.co/{release.repository} and use ffstereo convert"
            ) from error
        self._hub: Any = huggingface_hub
        self._release = release
        # $HF_ENDPOINT, or the hub's own address
        self._endpoint: str = huggingface_hub.HfApi(endpoint=endpoint or None).endpoint

    def files(self) -> list[str]:
        """Names of all files of the revision."""
        release = self._release
        api = self._hub.HfApi(endpoint=self._endpoint)
        return list(self._asking(lambda: api.list_repo_files(release.repository, revision=release.revision)))

    def fetch(self, file: str, folder: Path) -> Path:
        """Download one file into `folder`."""
        release = self._release
        return Path(
            self._asking(
                lambda: self._hub.hf_hub_download(
                    release.repository, file, revision=release.revision, local_dir=folder, endpoint=self._endpoint
                )
            )
        )

    def _asking(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except Exception as error:  # the hub library has changed its HTTP library, and so its exceptions, twice
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(
                f"{self._release.repository} cannot be fetched from {self._endpoint} ({reason[:160]}); check the "
                "network and its proxy settings, or download the .pth on another machine and use ffstereo convert"
            ) from error


def download(
    release: HubRelease,
    *,
    accepted: bool,
    show: Callable[[str], None],
    endpoint: str | None = None,
    force: bool = False,
) -> Path:
    """Fetch, check and convert a release; returns the weights file in the cache.

    `show` receives the licence text and the progress. Nothing appears in the cache unless everything went well.
    Raises WeightsError when the licence is not accepted, the network fails, the hash is wrong, or the cache cannot be
    written.
    """
    require_converter()
    folder = claim_cache()
    target = folder / f"{release.checkpoint.name}{SUFFIX}"
    if target.exists() and not force:
        show(f"{target} is there already; --force fetches it again")
        return target
    repository = HubRepository(release, endpoint)
    with tempfile.TemporaryDirectory(prefix=".download.", dir=folder) as passing:
        files = repository.files()
        licence = _licence(repository, files, Path(passing))
        show(f"{licence.text}\n\n--- {release.repository}, {licence.file}: {release.checkpoint.licence} ---")
        if not accepted:
            raise WeightsError(
                f"the {release.checkpoint.licence} of {release.repository} is not accepted; read it above and, "
                "if you agree to it, run the command again with --accept-license"
            )
        checkpoint = repository.fetch(_single_checkpoint(files), Path(passing))
        _check_hash(checkpoint, release)
        _convert(checkpoint, release, licence, target)
    return target


def _licence(repository: HubRepository, files: list[str], folder: Path) -> Licence:
    """The licence file of the repository, or its README, which states the terms."""
    names = [f for f in files if f.rpartition("/")[2].lower().startswith(("license", "licence"))]
    names += [f for f in files if f.lower() == "readme.md"]
    if not names:
        raise WeightsError("the repository states no licence (neither LICENSE nor README.md); nothing was fetched")
    return Licence(names[0], repository.fetch(names[0], folder).read_text(encoding="utf-8", errors="replace").strip())


def _single_checkpoint(files: list[str]) -> str:
    found = [file for file in files if file.endswith(".pth")]
    if len(found) != 1:
        raise WeightsError(f"the repository holds {len(found)} .pth files, expected one; nothing was fetched")
    return found[0]


def _check_hash(checkpoint: Path, release: HubRelease) -> None:
    from ffstereo_ros.network.checkpoint.known import sha256_of

    found, expected = sha256_of(checkpoint), release.checkpoint.sha256
    if found != expected:
        raise WeightsError(
            f"{checkpoint.name} has sha256 {found}, expected {expected}; it is not the file this version knows and was "
            "thrown away; try again later or update this package"
        )


def _convert(checkpoint: Path, release: HubRelease, licence: Licence, target: Path) -> None:
    """Write the weights with the record of the acceptance beside them; both or neither remain."""
    from ffstereo_ros.network.checkpoint.official import load_official
    from ffstereo_ros.network.checkpoint.store import save_weights

    known = release.checkpoint
    source = f"{release.repository}@{release.revision}"
    loaded = load_official(checkpoint, known.normalize, source)
    metadata = replace(loaded.metadata, name=known.name, licence=known.licence)
    record = target.with_suffix(".licence.json")
    entries = {
        "name": known.name,
        "source": source,
        "source_sha256": known.sha256,
        "licence": known.licence,
        "licence_file": licence.file,
        "licence_sha256": licence.sha256,
        "licence_text": licence.text,
        "accepted": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "accepted_by": "--accept-license",
    }
    try:
        record.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        save_weights(target, replace(loaded, metadata=metadata))
    except (OSError, WeightsError) as error:
        if not target.exists():
            with contextlib.suppress(OSError):
                record.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise WeightsError(f"{record} cannot be written ({error.strerror or error})") from error
        raise

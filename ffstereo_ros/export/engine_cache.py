"""Where engines live: a folder each under the user's cache, complete or absent, with a sidecar people can read."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ffstereo_ros.errors import BackendError, CacheError
from ffstereo_ros.export.engine_key import EngineKey
from ffstereo_ros.user_cache import user_cache

PLAN = "engine.plan"
SIDECAR = "engine.json"
SELF_TEST = "self_test.npz"


@dataclass(frozen=True)
class EngineRecord:
    """The sidecar of an engine.

    Attributes:
        key: what it was built from and for.
        weights: name of the weights, for people.
        plan_bytes, plan_sha256: of the plan file; they tell a truncated one.
        layers: of the network that the builder read.
        build_seconds: s.
        built: date and time, UTC, ISO 8601.
    """

    key: EngineKey
    weights: str
    plan_bytes: int
    plan_sha256: str
    layers: int
    build_seconds: float
    built: str


@dataclass(frozen=True)
class StoredEngine:
    """An engine in the cache."""

    folder: Path
    record: EngineRecord

    def read_plan(self) -> bytes:
        """The plan, checked against the sidecar.

        Raises:
            BackendError: it is missing, truncated or altered.
        """
        path = self.folder / PLAN
        try:
            plan = path.read_bytes()
        except OSError as error:
            raise BackendError(f"engine {path} cannot be read ({error.strerror}): build it again") from error
        if len(plan) != self.record.plan_bytes:
            raise BackendError(
                f"engine {path} holds {len(plan)} of {self.record.plan_bytes} bytes: it is truncated; build it again"
            )
        if hashlib.sha256(plan).hexdigest() != self.record.plan_sha256:
            raise BackendError(f"engine {path} is not what was built (its sha256 differs): build it again")
        return plan

    @property
    def self_test(self) -> Path:
        """The pairs and PyTorch's answers of the self-test."""
        return self.folder / SELF_TEST


@dataclass(frozen=True)
class CacheListing:
    """What lies in the cache: engines, and for every damaged entry one line that says what is wrong."""

    engines: tuple[StoredEngine, ...]
    damaged: tuple[str, ...]


def engines_dir() -> Path:
    """`engines` in the user's cache.

    Raises:
        CacheError: there is no such place.
    """
    return user_cache() / "engines"


def stored_engines(folder: Path | None = None) -> CacheListing:
    """All engines in the cache, newest first; of a cache that cannot be read, why."""
    try:
        root = folder or engines_dir()
        entries = sorted(root.iterdir()) if root.is_dir() else []
    except CacheError as error:
        return CacheListing((), (f"engine cache: {error}",))
    except OSError as error:
        return CacheListing((), (f"engine cache: {error.filename} cannot be read ({error.strerror})",))
    engines, damaged = [], []
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        try:
            engines.append(StoredEngine(entry, _read_record(entry / SIDECAR)))
        except BackendError as error:
            damaged.append(f"{entry}: {error}")
    engines.sort(key=lambda engine: engine.record.built, reverse=True)
    return CacheListing(tuple(engines), tuple(damaged))


@contextlib.contextmanager
def building(key: EngineKey, folder: Path | None = None, say: Callable[[str], None] = print) -> Iterator[None]:
    """Holds the one build place of ``key``: a second process that wants the same engine waits until it is there.

    Raises:
        BackendError: the cache cannot be written.
    """
    root = folder or engines_dir()
    path = root / f".{key.digest()}.lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        raise _unwritable(root, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is building this engine: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_engine(key: EngineKey, folder: Path | None = None) -> StoredEngine | None:
    """The engine of exactly this key, or None."""
    entry = (folder or engines_dir()) / key.digest()
    if not (entry / SIDECAR).is_file():
        return None
    return StoredEngine(entry, _read_record(entry / SIDECAR))


def store_engine(record: EngineRecord, plan: bytes, self_test: bytes, folder: Path | None = None) -> StoredEngine:
    """Puts an engine into the cache; call it inside `building`. A reader sees all of it or nothing.

    Raises:
        BackendError: the disk is full or the cache cannot be written; nothing is left behind.
    """
    root = folder or engines_dir()
    target = root / record.key.digest()
    passing = root / f".{record.key.digest()}.part"
    try:
        _remove(passing)  # what a killed build has left; nobody else is here while the lock is held
        passing.mkdir(parents=True)
        files = {PLAN: plan, SELF_TEST: self_test, SIDECAR: (json.dumps(asdict(record), indent=2) + "\n").encode()}
        for name, content in files.items():
            _write(passing / name, content)
        _remove(target)
        passing.rename(target)
    except OSError as error:
        raise _unwritable(root, error, len(plan)) from error
    finally:
        with contextlib.suppress(OSError):
            _remove(passing)
    return StoredEngine(target, record)


def _write(path: Path, content: bytes) -> None:
    """Flushed to the disk, where a full one shows itself."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _unwritable(root: Path, error: OSError, needed: int = 0) -> BackendError:
    room = f", {needed / 1e6:.1f} MB are needed" if needed else ""
    return BackendError(
        f"engine cache {root} cannot be written ({error.strerror or error}{room}); "
        "free it or set FFSTEREO_CACHE to a writable folder"
    )


def _read_record(path: Path) -> EngineRecord:
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        return EngineRecord(**{**data, "key": EngineKey.from_dict(data["key"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackendError(f"{path.name} is missing or damaged: build the engine again") from error

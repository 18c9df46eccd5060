"""Finds the engines that serve a wish, proves them, and says of every other one why it does not fit."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ffstereo_ros import __version__
from ffstereo_ros.backends.tensorrt import EngineFacts, StereoEngine, TensorRTBackend
from ffstereo_ros.backends.tensorrt_device import GpuFacts
from ffstereo_ros.backends.tensorrt_library import TensorRT
from ffstereo_ros.errors import BackendError, EngineError
from ffstereo_ros.export.engine_cache import CacheListing, StoredEngine
from ffstereo_ros.export.engine_key import EngineKey
from ffstereo_ros.export.engine_loading import Workbench, open_foreign, open_stored

# Engines shown that do not fit: those with the fewest differences.
_SHOWN = 3


@dataclass(frozen=True)
class NetworkWish:
    """What is asked of an engine, whoever built it; an empty precision leaves it open.

    Attributes:
        weights, weights_sha256: name of the weights, and hash of their file.
        iterations: of the refinement.
        max_disparity: px.
        precision: ``fp16``, ``bf16``, ``fp32`` or empty.
        named: the weights as the user names them, which may be a path; empty = by their name.
    """

    weights: str
    weights_sha256: str
    iterations: int
    max_disparity: int
    precision: str = ""
    named: str = ""

    def command(self, size: str = "HxW") -> str:
        """What builds such an engine of a size, rows x columns."""
        precision = f" --precision {self.precision}" if self.precision else ""
        return (
            f"ffstereo build-engine {shlex.quote(self.named or self.weights)} --size {size} "
            f"--iterations {self.iterations} --max-disparity {self.max_disparity}{precision}"
        )

    def for_larger(self, height: int, width: int) -> str:
        """What serves a pair of so many rows and columns, px, that is larger than every engine."""
        return f"use backend torch, lower scale, or run `{self.command(f'{height}x{width}')}`"


def key_here(wish: NetworkWish, library: TensorRT, gpu: GpuFacts) -> EngineKey:
    """The key of an engine of any size that fulfils the wish on this machine."""
    portable = library.name == "tensorrt_rtx"
    return EngineKey(
        library=library.name,
        library_version=library.version,
        gpu=f"compute capability {gpu.compute_capability}" if portable else gpu.describe(),
        driver="" if portable else gpu.driver,
        height=0,
        width=0,
        iterations=wish.iterations,
        max_disparity=wish.max_disparity,
        precision=wish.precision,
        weights_sha256=wish.weights_sha256,
        package_version=__version__,
    )


@dataclass(frozen=True)
class Found:
    """Engines that fit, newest first; and of the others, what keeps them from it."""

    fitting: tuple[StoredEngine, ...]
    refused: tuple[str, ...]


def search(listing: CacheListing, wanted: EngineKey) -> Found:
    """Sorts the cache by what fits."""
    fitting: list[StoredEngine] = []
    others: list[tuple[int, str]] = []
    for engine in listing.engines:
        differences = engine.record.key.differences(wanted)
        if not differences:
            fitting.append(engine)
        else:
            others.append((len(differences), f"{_name(engine)} does not fit: {', '.join(differences)}"))
    others.sort(key=lambda other: other[0])
    shown = [text for _, text in others[:_SHOWN]]
    if len(others) > _SHOWN:
        shown.append(f"and {len(others) - _SHOWN} more engines do not fit")
    return Found(tuple(fitting), (*shown, *listing.damaged))


def load_backend(listing: CacheListing, wish: NetworkWish, gpu: GpuFacts, bench: Workbench) -> TensorRTBackend:
    """The backend of the engines in the cache that fit: of each size the newest that passes its self-test.

    Raises:
        EngineError: there are engines, and none of them can be used; the message says why.
    """
    found = search(listing, key_here(wish, bench.library, gpu))
    opened, failures = _open_newest(found.fitting, bench)
    if not opened:
        reasons = "; ".join((*failures, *found.refused))
        raise EngineError(f"no engine can be used: {reasons}; build one: {wish.command()}")
    precisions = sorted({stored.record.key.precision for stored, _ in opened})
    text = (
        f"weights {wish.weights}, {'/'.join(precisions)} on {gpu.name}, {wish.iterations} iterations, "
        f"{wish.max_disparity} px of disparity, {bench.library.name} {bench.library.version}"
    )
    facts = EngineFacts(text, wish.max_disparity, wish.for_larger)
    return TensorRTBackend([engine for _, engine in opened], facts, failures)


def load_foreign_backend(path: Path, max_disparity: int, gpu: GpuFacts, bench: Workbench) -> TensorRTBackend:
    """The backend of an engine made elsewhere.

    Raises:
        EngineError: it cannot be used; the message says why.
    """
    try:
        engine = open_foreign(path, max_disparity, bench)
    except BackendError as error:
        raise EngineError(str(error)) from error
    text = f"{path.name} on {gpu.name}, images {engine.reading.name}, {bench.library.name} {bench.library.version}"

    def for_larger(height: int, width: int) -> str:
        return f"lower scale, or export {path.name} for {width}x{height} px"

    return TensorRTBackend([engine], EngineFacts(text, engine.layout.max_disparity or max_disparity, for_larger))


def _open_newest(
    fitting: tuple[StoredEngine, ...], bench: Workbench
) -> tuple[list[tuple[StoredEngine, StereoEngine]], tuple[str, ...]]:
    """Of each size the first that passes, and why each before it does not."""
    opened: dict[tuple[int, int], tuple[StoredEngine, StereoEngine]] = {}
    failures: list[str] = []
    for stored in fitting:
        size = stored.record.key.height, stored.record.key.width
        if size in opened:
            continue
        try:
            opened[size] = stored, open_stored(stored, bench)
        except BackendError as error:
            failures.append(str(error))
    return list(opened.values()), tuple(failures)


def _name(engine: StoredEngine) -> str:
    key = engine.record.key
    return f"engine {engine.folder.name[:8]} ({engine.record.weights}, {key.width}x{key.height} px)"

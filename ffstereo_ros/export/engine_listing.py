"""The engines in the cache, for people: what each is for, and whether it fits this machine."""

from __future__ import annotations

from ffstereo_ros.backends.tensorrt_device import gpu_facts
from ffstereo_ros.backends.tensorrt_library import load_tensorrt
from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.engine_cache import CacheListing, StoredEngine
from ffstereo_ros.export.engine_key import EngineKey
from ffstereo_ros.export.engine_search import NetworkWish, key_here


def describe_engines(listing: CacheListing) -> list[str]:
    """One line an engine; where there is no GPU or no TensorRT, one line more says that nothing was compared."""
    try:
        library, gpu = load_tensorrt(), gpu_facts()
    except BackendError as error:
        lines = [f"{describe_engine(engine)}  not compared with this machine" for engine in listing.engines]
        return [*lines, *listing.damaged, *([f"this machine: {error}"] if lines else [])]
    lines = []
    for engine in listing.engines:
        key = engine.record.key
        wish = NetworkWish(engine.record.weights, key.weights_sha256, key.iterations, key.max_disparity)
        lines.append(f"{describe_engine(engine)}  {_fit(key, key_here(wish, library, gpu))}")
    return [*lines, *listing.damaged]


def describe_engine(engine: StoredEngine) -> str:
    """What an engine is for."""
    record, key = engine.record, engine.record.key
    return (
        f"{engine.folder.name[:8]}  {record.weights}, {key.width}x{key.height} px, {key.iterations} iterations, "
        f"{key.max_disparity} px, {key.precision}, {record.plan_bytes / 1e6:.1f} MB, {key.library} "
        f"{key.library_version}, {key.gpu}"
    )


def _fit(key: EngineKey, here: EngineKey) -> str:
    differences = key.differences(here)
    return "fits this machine" if not differences else "does not fit: " + ", ".join(differences)

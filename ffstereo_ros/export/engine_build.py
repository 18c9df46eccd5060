"""From a graph to an engine, by TensorRT 10.3 to 11 or TensorRT-RTX through the same calls."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ffstereo_ros import __version__
from ffstereo_ros.backends.tensorrt_device import gpu_facts
from ffstereo_ros.backends.tensorrt_library import TensorRT
from ffstereo_ros.errors import BackendError, ParameterError
from ffstereo_ros.export.blueprint import Blueprint
from ffstereo_ros.export.build_monitor import Interrupt, build_monitor
from ffstereo_ros.export.engine_cache import (
    EngineRecord,
    StoredEngine,
    building,
    engines_dir,
    find_engine,
    store_engine,
)
from ffstereo_ros.export.engine_key import EngineKey
from ffstereo_ros.export.self_test import pack_cases, unpack_cases

Say = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """What an engine is built for.

    Attributes:
        gpu, driver: as they stand in the key; the driver is empty where the engine does not depend on it.
        compute_capability: ``8.6`` to build for another GPU than the one here, or for one where none is; else empty.
    """

    gpu: str
    driver: str
    compute_capability: str = ""


@dataclass(frozen=True)
class BuiltPlan:
    """A serialized engine, and of how many layers the network was that it was built from."""

    plan: bytes
    layers: int


def target_of(library: TensorRT, compute_capability: str = "") -> Target:
    """The GPU here, or one named by its compute capability, which TensorRT-RTX alone can build for.

    Raises:
        ParameterError: this library cannot build for another GPU.
        BackendError: there is no GPU here.
    """
    if library.name == "tensorrt_rtx":
        capability = compute_capability or gpu_facts().compute_capability
        _capability(library, capability)
        return Target(f"compute capability {capability}", "", capability)
    if compute_capability:
        raise ParameterError(
            f"compute capability {compute_capability}: tensorrt builds for the GPU it runs on only; "
            "leave it out, or use library tensorrt_rtx"
        )
    facts = gpu_facts()
    return Target(facts.describe(), facts.driver)


def key_of(blueprint: Blueprint, library: TensorRT, target: Target) -> EngineKey:
    """Everything the engine of this blueprint depends on here."""
    return EngineKey(
        library=library.name,
        library_version=library.version,
        gpu=target.gpu,
        driver=target.driver,
        height=blueprint.height,
        width=blueprint.width,
        iterations=blueprint.iterations,
        max_disparity=blueprint.max_disparity,
        precision=blueprint.precision,
        weights_sha256=blueprint.weights_sha256,
        package_version=__version__,
        custom_kernels=blueprint.custom_kernels,
    )


def build_engine(
    blueprint: Blueprint, library: TensorRT, target: Target, say: Say = print, *, force: bool = False
) -> StoredEngine:
    """Builds an engine into the cache, or returns the one that is there undamaged, unless ``force`` is given.

    Raises:
        ParameterError: the graph needs our kernels, and this library takes none.
        BackendError: the builder refused, or the cache cannot be written.
        KeyboardInterrupt: Ctrl-C, once the builder has stopped; nothing is left behind.
    """
    key = key_of(blueprint, library, target)
    with building(key, say=say):
        if not force and (there := _find_undamaged(key, say)) is not None:
            say(f"{there.folder} is there already; --force builds it anew")
            return there
        if blueprint.custom_kernels:
            _register_kernels(library)
        began = time.monotonic()
        built = build_plan(blueprint.onnx, library, target, say)
        record = EngineRecord(
            key=key,
            weights=blueprint.weights,
            plan_bytes=len(built.plan),
            plan_sha256=hashlib.sha256(built.plan).hexdigest(),
            layers=built.layers,
            build_seconds=round(time.monotonic() - began, 1),
            built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        return store_engine(record, built.plan, pack_cases(blueprint.cases))


def _find_undamaged(key: EngineKey, say: Say) -> StoredEngine | None:
    """The engine of exactly this key, if all that using it takes can be read."""
    try:
        there = find_engine(key)
        if there is not None:
            there.read_plan()
            unpack_cases(there.self_test, key.height, key.width)
    except BackendError as error:
        say(f"{engines_dir() / key.digest()} is damaged and is replaced: {error}")
        return None
    return there


def build_plan(onnx: bytes, library: TensorRT, target: Target, say: Say = print) -> BuiltPlan:
    """Parses a strongly typed graph of one size and builds its plan.

    Raises:
        BackendError: the graph is refused, has dynamic axes, or the builder failed.
        KeyboardInterrupt: Ctrl-C, once the builder has stopped.
    """
    api = library.api
    library.log.clear()
    builder = api.Builder(library.log.handle)
    if builder is None:
        raise BackendError(f"{library.name} cannot build here: {library.log.last() or 'no reason given'}")
    network = builder.create_network(1 << int(api.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(network, onnx, library)
    _require_static(network)
    config = builder.create_builder_config()
    _without_tf32(config, api)
    if target.compute_capability:
        config.num_compute_capabilities = 1
        config.set_compute_capability(_capability(library, target.compute_capability), 0)
    with Interrupt() as interrupt:
        monitor = build_monitor(api, say, interrupt)  # the config keeps no reference of its own
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"{library.name} built no engine: {library.log.last() or 'no reason given'}")
    return BuiltPlan(bytes(plan), int(network.num_layers))


def _without_tf32(config: Any, api: Any) -> None:
    """float32 is float32, as in torch: what stays in it besides an fp16 network does so because it needs its digits."""
    flag = getattr(getattr(api, "BuilderFlag", None), "TF32", None)
    if flag is not None:  # on unless it is cleared
        config.clear_flag(flag)


def _register_kernels(library: TensorRT) -> None:
    from ffstereo_ros.export.kernel_plugin import register_plugin, require_plugins

    require_plugins(library)
    from ffstereo_ros.kernels.compile import choose_target
    from ffstereo_ros.kernels.launch import compiler

    nvrtc = compiler()
    major, minor = (int(part) for part in gpu_facts().compute_capability.split("."))
    architecture = choose_target((major, minor), nvrtc.architectures).replace("sm_", "compute_")
    register_plugin(library, nvrtc, architecture)


def _parse(network: Any, onnx: bytes, library: TensorRT) -> None:
    parser = library.api.OnnxParser(network, library.log.handle)
    if not parser.parse(onnx):
        errors = "; ".join(" ".join(str(parser.get_error(index)).split()) for index in range(parser.num_errors))
        raise BackendError(f"{library.name} {library.version} does not read the graph: {errors[:400] or 'no reason'}")


def _require_static(network: Any) -> None:
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        sizes = [int(size) for size in tensor.shape]
        if any(size < 1 for size in sizes):
            raise BackendError(
                f"the ONNX graph has dynamic axes ({tensor.name}: {sizes}): engines are built for one size; "
                "export it with static shapes"
            )


def _capability(library: TensorRT, text: str) -> Any:
    known = library.api.ComputeCapability.__members__
    name = "SM" + text.replace(".", "")
    if name not in known:
        names = ", ".join(f"{n[2:-1]}.{n[-1]}" for n in known if n.startswith("SM"))
        raise ParameterError(f"compute capability {text}: {library.name} {library.version} builds for {names}")
    return known[name]

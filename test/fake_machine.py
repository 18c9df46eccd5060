"""A machine with a GPU and the TensorRT of `fake_tensorrt`, and engines in its cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_tensorrt import GPU_HERE, D, H, HostDevice, W, fake_library, make_plan, our_bindings, sgbm

from ffstereo_ros.backends import tensorrt_device, tensorrt_library
from ffstereo_ros.backends.tensorrt_device import GpuFacts
from ffstereo_ros.export.blueprint import Blueprint
from ffstereo_ros.export.engine_build import Target, build_engine
from ffstereo_ros.export.engine_cache import StoredEngine
from ffstereo_ros.export.self_test import record_cases
from ffstereo_ros.network.checkpoint.known import sha256_of

GPU = GpuFacts("Orin", GPU_HERE, "540.4 (CUDA 12.6)")


def pretend_machine(patch: pytest.MonkeyPatch) -> None:
    """A machine with that GPU and this TensorRT."""
    patch.setattr(tensorrt_device, "gpu_facts", lambda: GPU)
    patch.setattr(tensorrt_device, "CudaDevice", HostDevice)
    patch.setattr(tensorrt_library, "require_tensorrt", lambda name="auto": "tensorrt")
    patch.setattr(tensorrt_library, "load_tensorrt", lambda name="auto": fake_library())


def build_stored(weights: Path, compute: str = "ours", iterations: int = 8) -> StoredEngine:
    """An engine of H x W px for these weights in the cache of that machine, which computes the named function."""
    graph = b"graph:" + make_plan(compute, our_bindings())
    cases = record_cases(sgbm, H, W, D)
    blueprint = Blueprint(graph, cases, H, W, iterations, D, "fp16", weights.stem, sha256_of(weights))
    return build_engine(blueprint, fake_library(), Target(GPU.describe(), GPU.driver), lambda text: None)

"""What takes over where the engine cannot: as `backend_fallback` allows, and never in silence."""

import pytest
from fake_tensorrt import D, H, HostDevice, W, fake_library, make_plan, nvidia_bindings, our_bindings, sgbm

from ffstereo_ros import factory
from ffstereo_ros.backends import tensorrt_device, tensorrt_library
from ffstereo_ros.backends.tensorrt_device import GpuFacts
from ffstereo_ros.errors import BackendError, EngineError
from ffstereo_ros.export.blueprint import Blueprint
from ffstereo_ros.export.engine_build import Target, build_engine
from ffstereo_ros.export.self_test import record_cases
from ffstereo_ros.factory import MatcherSettings, create_matcher

GPU = GpuFacts("Orin", "8.7", "540.4 (CUDA 12.6)")


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with a GPU and TensorRT, and with the small network as a file of random numbers."""
    safetensors = pytest.importorskip("safetensors", reason="needs safetensors")
    assert safetensors
    torch = pytest.importorskip("torch", reason="needs torch")
    from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
    from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
    from ffstereo_ros.network.model import FastFoundationStereo
    from ffstereo_ros.network.presets import mini_config

    torch.manual_seed(0)
    config = mini_config()
    tensors = FastFoundationStereo(config).state_dict()
    save_weights(tmp_path / "net.safetensors", LoadedWeights(config, tensors, WeightsMetadata("net", "test")))
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path))
    monkeypatch.setattr(tensorrt_device, "gpu_facts", lambda: GPU)
    monkeypatch.setattr(tensorrt_device, "CudaDevice", HostDevice)
    monkeypatch.setattr(tensorrt_library, "require_tensorrt", lambda name="auto": "tensorrt")
    monkeypatch.setattr(tensorrt_library, "load_tensorrt", lambda name="auto": fake_library())
    return tmp_path


def build(machine, compute="ours"):
    from ffstereo_ros.network.checkpoint.known import sha256_of

    sha = sha256_of(machine / "net.safetensors")
    graph = b"graph:" + make_plan(compute, our_bindings())
    blueprint = Blueprint(graph, record_cases(sgbm, H, W, D), H, W, 8, D, "fp16", "net", sha)
    return build_engine(blueprint, fake_library(), Target(GPU.describe(), GPU.driver), lambda text: None)


def settings(machine, **changes):
    values = {"backend": "tensorrt", "weights": str(machine / "net.safetensors"), "max_disparity": D}
    return MatcherSettings(**{**values, **changes})


@pytest.mark.parametrize("backend", ["tensorrt", "auto"])
def test_a_healthy_engine_is_taken(machine, backend):
    build(machine)
    ready = create_matcher(settings(machine, backend=backend))
    assert ready.matcher.backend.name == "tensorrt"
    assert ready.warnings == ()


def test_without_fallback_a_sick_engine_stops_the_start(machine):
    build(machine, "nan")
    with pytest.raises(EngineError, match="failed its self-test"):
        create_matcher(settings(machine, backend_fallback="none"))


@pytest.mark.parametrize("backend", ["tensorrt", "auto"])
def test_pytorch_takes_over_from_a_sick_engine_loudly(machine, backend):
    build(machine, "nan")
    ready = create_matcher(settings(machine, backend=backend))
    assert ready.matcher.backend.name == "torch"
    (warning,) = ready.warnings
    assert "FALLBACK" in warning
    assert "not finite" in warning
    assert warning in ready.reason


def test_sgbm_takes_over_only_where_it_is_allowed(machine):
    build(machine, "nan")
    (machine / "ffs.engine").write_bytes(make_plan("nan", our_bindings()))
    foreign = settings(machine, weights=str(machine / "ffs.engine"))
    with pytest.raises(EngineError, match="overflow"):
        create_matcher(foreign)  # torch is allowed, and cannot run what it has no weights of
    ready = create_matcher(settings(machine, weights=str(machine / "ffs.engine"), backend_fallback="sgbm"))
    assert ready.matcher.backend.name == "sgbm"
    assert "FALLBACK to sgbm" in ready.warnings[0]


def test_an_engine_made_elsewhere_is_named_in_place_of_weights(machine):
    (machine / "foundationstereo.plan").write_bytes(make_plan("outside", nvidia_bindings()))
    ready = create_matcher(settings(machine, weights=str(machine / "foundationstereo.plan")))
    assert "foundationstereo.plan on Orin, images normalised outside" in ready.reason


def test_auto_says_nothing_of_engines_nobody_built(machine):
    ready = create_matcher(settings(machine, backend="auto"))
    assert ready.matcher.backend.name == "torch"
    assert ready.warnings == ()


def test_no_engine_is_told_with_the_command(machine):
    with pytest.raises(BackendError, match="tensorrt: no engine has been built; run `ffstereo build-engine"):
        create_matcher(settings(machine, backend_fallback="none"))


def test_a_cpu_is_never_answered_with_an_engine(machine):
    build(machine)
    assert create_matcher(settings(machine, backend="auto", device="cpu")).matcher.backend.name == "torch"
    with pytest.raises(BackendError, match="device = cpu, and engines run on NVIDIA GPUs only"):
        create_matcher(settings(machine, device="cpu", backend_fallback="none"))


def test_the_hierarchical_pass_is_refused(machine):
    build(machine)
    with pytest.raises(EngineError, match="engines have no such pass"):
        create_matcher(settings(machine, hierarchical=True, backend_fallback="none"))


def test_the_default_allows_pytorch_alone():
    assert MatcherSettings().backend_fallback == "torch"
    assert factory._substitutes(MatcherSettings(backend="torch")) == ()
    assert factory._substitutes(MatcherSettings(backend="tensorrt", backend_fallback="sgbm")) == ("torch", "sgbm")

"""What takes over where the engine cannot: as `backend_fallback` allows, and never in silence."""

from dataclasses import replace

import numpy as np
import pytest
from fake_machine import build_stored, pretend_machine
from fake_tensorrt import D, make_plan, nvidia_bindings, our_bindings

from ffstereo_ros import factory
from ffstereo_ros.errors import BackendError, EngineError, PairTooLargeError, WeightsError
from ffstereo_ros.factory import MatcherSettings, create_matcher


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
    pretend_machine(monkeypatch)
    return tmp_path


def build(machine, compute="ours"):
    return build_stored(machine / "net.safetensors", compute)


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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "bad.engine failed its self-test .*overflow"),
        ({"hierarchical": True}, "no such pass"),
        ({"device": "cpu"}, "device = cpu"),
    ],
)
def test_auto_says_why_an_engine_made_elsewhere_is_refused(machine, changes, reason):
    (machine / "bad.engine").write_bytes(make_plan("nan", our_bindings()))
    with pytest.raises(BackendError, match=reason):
        create_matcher(settings(machine, backend="auto", weights=str(machine / "bad.engine"), **changes))


def test_auto_says_that_an_engine_made_elsewhere_is_missing(machine):
    with pytest.raises(EngineError, match=r"missing\.engine cannot be read"):
        create_matcher(settings(machine, backend="auto", weights=str(machine / "missing.engine")))


def install(machine, name):
    (machine / "weights").mkdir()
    (machine / "weights" / f"{name}.safetensors").write_bytes((machine / "net.safetensors").read_bytes())


@pytest.mark.parametrize("inside", [(), ("feature_runner.engine", "post_runner.engine")])
def test_a_folder_does_not_take_the_name_of_installed_weights(machine, inside, monkeypatch):
    install(machine, "net")
    build(machine)
    monkeypatch.chdir(machine)
    (machine / "net").mkdir()
    for name in inside:
        (machine / "net" / name).write_bytes(b"")
    assert "weights net" in create_matcher(settings(machine, weights="net", backend_fallback="none")).reason


@pytest.mark.parametrize("backend", ["auto", "tensorrt", "torch"])
def test_a_folder_without_engines_is_told_as_such(machine, backend):
    build(machine)
    (machine / "empty").mkdir()
    with pytest.raises(
        WeightsError, match=r"empty' is a folder without feature_runner\.engine and post_runner\.engine"
    ):
        create_matcher(settings(machine, backend=backend, weights=str(machine / "empty")))


def test_half_an_export_of_the_authors_is_told_by_the_file_that_is_missing(machine):
    (machine / "half").mkdir()
    (machine / "half" / "feature_runner.engine").write_bytes(make_plan("ours", our_bindings()))
    with pytest.raises(EngineError, match=r"half/post_runner\.engine cannot be read"):
        create_matcher(settings(machine, backend="auto", weights=str(machine / "half")))


@pytest.mark.parametrize("backend", ["tensorrt", "auto"])
def test_a_frame_larger_than_the_engines_is_refused_with_the_command_that_serves_it(machine, backend):
    build(machine)
    matcher = create_matcher(settings(machine, backend=backend)).matcher
    image = np.zeros((240, 320, 3), np.uint8)
    weights = machine / "net.safetensors"
    command = f"`ffstereo build-engine {weights} --size 256x320 --iterations 8 --max-disparity {D}`"
    with pytest.raises(PairTooLargeError) as refusal:
        matcher.match(image, image)
    assert "320x256 px and the engines are for 160x96 px: use backend torch, " in str(refusal.value)
    assert command in str(refusal.value)


def test_a_frame_larger_than_an_engine_made_elsewhere_is_refused_without_a_command(machine):
    (machine / "good.engine").write_bytes(make_plan("outside", nvidia_bindings()))
    matcher = create_matcher(settings(machine, weights=str(machine / "good.engine"))).matcher
    image = np.zeros((240, 320, 3), np.uint8)
    with pytest.raises(PairTooLargeError, match=r"for 160x96 px: lower scale, or export good\.engine for 320x256 px$"):
        matcher.match(image, image)


@pytest.mark.parametrize(
    ("backend", "fallback", "allowed"),
    [("auto", "none", True), ("tensorrt", "torch", True), ("tensorrt", "sgbm", True), ("tensorrt", "none", False)],
)
def test_pytorch_may_serve_larger_pairs_where_it_may_take_over(machine, backend, fallback, allowed):
    build(machine)
    asked = settings(machine, backend=backend, backend_fallback=fallback)
    larger = create_matcher(asked).for_larger
    assert larger == (replace(asked, backend="torch", backend_fallback="none") if allowed else None)


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_nothing_serves_larger_pairs_than_an_engine_made_elsewhere_or_than_pytorch(machine, backend):
    (machine / "good.engine").write_bytes(make_plan("outside", nvidia_bindings()))
    assert create_matcher(settings(machine, backend=backend, weights=str(machine / "good.engine"))).for_larger is None
    assert create_matcher(settings(machine, backend=backend)).for_larger is None  # by torch: no engine was built


def test_an_engine_made_elsewhere_is_named_in_place_of_weights(machine):
    (machine / "foundationstereo.plan").write_bytes(make_plan("outside", nvidia_bindings()))
    ready = create_matcher(settings(machine, weights=str(machine / "foundationstereo.plan")))
    assert "foundationstereo.plan on Orin, images normalised outside" in ready.reason


def test_auto_says_nothing_of_engines_nobody_built(machine):
    ready = create_matcher(settings(machine, backend="auto"))
    assert ready.matcher.backend.name == "torch"
    assert ready.warnings == ()


@pytest.mark.parametrize("spoilt", ["engine.json", "engine.plan", "self_test.npz"])
def test_auto_tells_of_an_engine_that_is_damaged(machine, spoilt):
    (build(machine).folder / spoilt).write_bytes(b"")
    ready = create_matcher(settings(machine, backend="auto"))
    assert ready.matcher.backend.name == "torch"
    (warning,) = ready.warnings
    assert "FALLBACK: tensorrt cannot be used" in warning
    assert spoilt in warning


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

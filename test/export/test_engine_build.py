"""Building into the cache, on a library that builds without a GPU."""

import os
import signal

import numpy as np
import pytest
from fake_tensorrt import VERSIONS, D, H, HostDevice, W, fake_library, make_plan, our_bindings, sgbm

from ffstereo_ros.backends.tensorrt_device import GpuFacts
from ffstereo_ros.errors import BackendError, EngineError, InputFileError, ParameterError
from ffstereo_ros.export.blueprint import Blueprint
from ffstereo_ros.export.engine_build import Target, build_engine, target_of
from ffstereo_ros.export.engine_cache import stored_engines
from ffstereo_ros.export.engine_loading import Workbench
from ffstereo_ros.export.engine_search import NetworkWish, load_backend
from ffstereo_ros.export.self_test import pack_cases, record_cases
from ffstereo_ros.export.self_test_pairs import room_pair

GPU = GpuFacts("Orin", "8.7", "540.4 (CUDA 12.6)")
TARGET = Target(GPU.describe(), GPU.driver)
WISH = NetworkWish("mini", "a" * 64, 8, D)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path))
    return tmp_path / "engines"


def blueprint(compute="ours", height=H, width=W, version=VERSIONS[0], **changes):
    plan = make_plan(compute, our_bindings(height, width), version) if compute else b""
    values = {
        "onnx": b"graph:" + plan,
        "cases": record_cases(sgbm, height, width, D),
        "height": height,
        "width": width,
        "iterations": 8,
        "max_disparity": D,
        "precision": "fp16",
        "weights": "mini",
        "weights_sha256": "a" * 64,
    }
    return Blueprint(**{**values, **changes})


def build(drawn=None, version=VERSIONS[0], said=None, **options):
    say = (said if said is not None else []).append
    return build_engine(drawn or blueprint(), fake_library(version), TARGET, say, **options)


def load(wish=WISH, gpu=GPU, version=VERSIONS[0]):
    return load_backend(stored_engines(), wish, gpu, Workbench(fake_library(version), HostDevice))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_builds_stores_finds_and_runs(version):
    said = []
    stored = build(blueprint(version=version), version, said)
    assert stored.record.layers == 7
    assert "  Building engine: step 2 of 2" in said
    backend = load(version=version)
    pair = room_pair(H, W, D)
    assert np.array_equal(backend.infer(pair.left, pair.right).disparity, sgbm(pair.left, pair.right))
    assert "self-test passed, 160x96 px" in backend.describe()
    assert backend.max_disparity == D


def test_an_engine_that_is_there_is_not_built_again():
    first = build()
    said = []
    assert build(said=said) == first
    assert said == [f"{first.folder} is there already; --force builds it anew"]


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def empty_self_test(stored):
    (stored.folder / "self_test.npz").write_bytes(pack_cases([]))


@pytest.mark.parametrize(
    ("damage", "said_of_it"),
    [
        (lambda stored: cut(stored.folder / "engine.plan", -100), "holds 431 of 531 bytes: it is truncated"),
        (lambda stored: (stored.folder / "engine.plan").unlink(), "engine.plan cannot be read"),
        (lambda stored: cut(stored.folder / "engine.json", 0), "engine.json is missing or damaged"),
        (lambda stored: cut(stored.folder / "self_test.npz", 100), "self_test.npz is missing or damaged"),
        (empty_self_test, "self_test.npz is not of this engine's size"),
    ],
)
def test_a_damaged_engine_is_built_again_and_then_serves(damage, said_of_it):
    stored = build()
    damage(stored)
    with pytest.raises(EngineError, match=said_of_it):
        load()
    said = []
    assert build(said=said).folder == stored.folder
    assert said[0].startswith(f"{stored.folder} is damaged and is replaced: ")
    assert said_of_it in said[0]
    assert "160x96 px" in load().describe()


def test_an_engine_that_is_there_is_built_anew_on_demand():
    """One that loads and fails its self-test cannot be told from a healthy one without a GPU."""
    stored = build(blueprint("nan"))
    with pytest.raises(EngineError, match="failed its self-test"):
        load()
    said = []
    assert build(said=said, force=True).folder == stored.folder
    assert not any("is there already" in line for line in said)
    assert "160x96 px" in load().describe()


def test_a_refused_graph_and_a_failed_build_leave_nothing(cache):
    with pytest.raises(BackendError, match="does not read the graph: In node -1"):
        build(blueprint(onnx=b"nonsense"))
    with pytest.raises(BackendError, match=r"built no engine: .*no tactic"):
        build(blueprint(compute=""))
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_ctrl_c_stops_the_build_and_leaves_nothing(cache):
    before = signal.getsignal(signal.SIGINT)

    def interrupted(text):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build_engine(blueprint(), fake_library(), TARGET, interrupted)
    assert signal.getsignal(signal.SIGINT) is before
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []
    build()


def test_engines_of_two_sizes_serve_one_backend():
    build()
    build(blueprint(height=128, width=192))
    assert "160x96, 192x128 px" in load().describe()


@pytest.mark.parametrize(
    ("wish", "gpu", "reason"),
    [
        (NetworkWish("mini", "b" * 64, 8, D), GPU, r"weights with sha256 aaaaaaaaaaaa\.\.\., wanted bbbb"),
        (NetworkWish("mini", "a" * 64, 4, D), GPU, "iterations 8, wanted 4"),
        (NetworkWish("mini", "a" * 64, 8, 96), GPU, r"max_disparity \(px\) 64, wanted 96"),
        (NetworkWish("mini", "a" * 64, 8, D, "bf16"), GPU, "precision fp16, wanted bf16"),
        (WISH, GpuFacts("Orin", "8.7", "560 (CUDA 12.9)"), r"driver 540.4 \(CUDA 12.6\), wanted 560"),
        (WISH, GpuFacts("L4", "8.9", GPU.driver), r"GPU Orin .* wanted L4 \(compute capability 8.9\)"),
    ],
)
def test_an_engine_that_does_not_fit_says_why_and_what_to_do(wish, gpu, reason):
    build()
    with pytest.raises(EngineError, match=f"{reason}.*; build one: ffstereo build-engine mini --size HxW"):
        load(wish, gpu)


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"precision": "bf16"}, "build-engine mini --size HxW --iterations 8 --max-disparity 64 --precision bf16"),
        ({"iterations": 4}, "build-engine mini --size HxW --iterations 4 --max-disparity 64"),
        (
            {"named": "my nets/mini.safetensors", "iterations": 4},
            "build-engine 'my nets/mini.safetensors' --size HxW --iterations 4 --max-disparity 64",
        ),
    ],
)
def test_the_command_that_is_told_builds_what_is_wished(changes, command):
    build()
    with pytest.raises(EngineError) as refusal:
        load(NetworkWish(**{**vars(WISH), **changes}))
    assert str(refusal.value).endswith(f"; build one: ffstereo {command}")


def test_an_engine_of_another_tensorrt_says_so():
    build()
    with pytest.raises(EngineError, match=r"TensorRT version 10\.3\.0, wanted 11\.4\.0\.106"):
        load(version="11.4.0.106")


@pytest.mark.parametrize("compute", ["nan", "negative", "quarter"])
def test_an_engine_that_computes_wrongly_is_refused_and_another_size_serves(compute):
    build(blueprint(compute))
    with pytest.raises(EngineError, match=r"failed its self-test and is not used: .*likely cause"):
        load()
    build(blueprint(height=128, width=192))
    backend = load()
    assert "192x128 px" in backend.describe()
    assert len(backend.failures) == 1
    assert "self-test" in backend.failures[0]


def date(stored, built):
    sidecar = stored.folder / "engine.json"
    sidecar.write_text(sidecar.read_text().replace(stored.record.built, built))


def test_an_older_engine_serves_where_the_newest_of_its_size_fails():
    date(build(blueprint(precision="fp32")), "2020-01-01T00:00:00+00:00")
    date(build(blueprint(precision="bf16")), "2021-01-01T00:00:00+00:00")
    newest = build(blueprint("nan"))
    backend = load()
    assert "weights mini, bf16 on Orin" in backend.describe()
    assert backend.describe().count("160x96") == 1
    (failure,) = backend.failures
    assert failure.startswith(f"engine {newest.folder.name} failed its self-test")


def test_of_one_size_the_newest_alone_is_opened():
    date(build(blueprint("nan", precision="bf16")), "2020-01-01T00:00:00+00:00")
    build()
    backend = load()
    assert "weights mini, fp16 on Orin" in backend.describe()
    assert backend.failures == ()


def test_a_self_test_of_another_size_is_refused():
    stored = build()
    other = build(blueprint(height=128, width=192))
    (stored.folder / "self_test.npz").write_bytes((other.folder / "self_test.npz").read_bytes())
    assert "not of this engine's size" in load().failures[0]


def test_tensorrt_builds_for_the_gpu_it_runs_on_only():
    with pytest.raises(ParameterError, match="tensorrt builds for the GPU it runs on only"):
        target_of(fake_library(), "8.6")


def test_custom_kernels_are_refused_where_the_library_takes_none(cache):
    with pytest.raises(ParameterError, match=r"custom kernels need TensorRT 10\.9 or newer"):
        build(blueprint(custom_kernels=1))
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_a_blueprint_travels(tmp_path):
    blueprint().write(tmp_path / "out")
    back = Blueprint.read(tmp_path / "out")
    assert back.onnx == blueprint().onnx
    assert back.weights_sha256 == "a" * 64
    assert np.array_equal(back.cases[1].expected, blueprint().cases[1].expected)


@pytest.mark.parametrize("spoilt", ["graph.onnx", "self_test.npz", "blueprint.json"])
def test_an_incomplete_blueprint_is_refused(tmp_path, spoilt):
    blueprint().write(tmp_path / "out")
    (tmp_path / "out" / spoilt).unlink()
    with pytest.raises(InputFileError, match="export it again"):
        Blueprint.read(tmp_path / "out")


def test_a_blueprint_of_another_size_than_its_self_test_is_refused(tmp_path):
    blueprint(width=192).write(tmp_path / "out")
    facts = tmp_path / "out" / "blueprint.json"
    facts.write_text(facts.read_text().replace("192", "160"))
    with pytest.raises(InputFileError, match=r"self_test\.npz is not of this engine's size.*: export it again"):
        Blueprint.read(tmp_path / "out")

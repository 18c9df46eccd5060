"""The TensorRT backend on a library without a GPU: real tensors, recorded names, engines of every origin."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_tensorrt import (
    VERSIONS,
    D,
    H,
    HostDevice,
    W,
    fake_library,
    make_plan,
    nvidia_bindings,
    our_bindings,
    sgbm,
    split_bindings,
    upstream_bindings,
)

from ffstereo_ros.backends.tensorrt import EngineFacts, StereoEngine, TensorRTBackend
from ffstereo_ros.backends.tensorrt_layout import recognise
from ffstereo_ros.backends.tensorrt_session import EngineStage, Session
from ffstereo_ros.backends.tensorrt_volume import VolumeStage
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.engine_loading import Workbench, open_foreign
from ffstereo_ros.export.self_test_pairs import room_pair


def our_engine(version=VERSIONS[0], height=H, width=W, compute="ours"):
    device = HostDevice()
    stage = EngineStage(make_plan(compute, our_bindings(height, width), version), fake_library(version), "engine x")
    layout = recognise(stage.bindings)
    session = Session((stage,), (layout.left, layout.right), (layout.disparity, layout.confidence), device)
    return StereoEngine(session, layout, layout.readings[0]), device


def backend(*engines):
    facts = EngineFacts(
        "weights mini, fp16 on a fake GPU", D, lambda height, width: f"build {height} rows, {width} columns"
    )
    return TensorRTBackend(engines, facts)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_the_names_that_running_takes(version):
    pair = room_pair(H, W, D)
    engine, device = our_engine(version)
    answer = backend(engine).infer(pair.left, pair.right)
    assert np.array_equal(answer.disparity, sgbm(pair.left, pair.right))
    assert answer.confidence is not None
    assert (answer.confidence == 0.5).all()
    assert device.recordings == 1


def test_an_answer_outlives_the_next_frame():
    engine, _ = our_engine()
    one, other = room_pair(H, W, D), room_pair(H, W, D, seed=9)
    first = engine.answer(one.left, one.right).disparity
    kept = first.copy()
    engine.answer(other.left, other.right)
    assert np.array_equal(first, kept)


def test_any_image_size_goes_through_the_matcher():
    pair = room_pair(70, 150, D)
    result = StereoMatcher(backend(our_engine()[0])).match(pair.left, pair.right)
    error = np.abs(result.disparity - pair.truth)
    assert result.disparity.shape == (70, 150)
    assert np.nanmedian(error) < 0.5


def test_the_smallest_engine_that_holds_the_pair_is_taken():
    small, small_device = our_engine()
    large, large_device = our_engine(height=128, width=192)
    runs = {}
    for name, device in (("small", small_device), ("large", large_device)):
        device.upload = lambda buffer, name=name, real=device.upload: (
            runs.setdefault(name, []).append(1),
            real(buffer),
        )
    pair = room_pair(96, 96, D)
    answer = backend(large, small).infer(pair.left, pair.right)
    assert answer.disparity.shape == (96, 96)
    assert list(runs) == ["small"]


def test_a_pair_larger_than_every_engine_is_refused_with_the_remedy():
    pair = room_pair(H, 192, D)
    with pytest.raises(BackendError, match=r"192x96 px .* for 160x96 px: build 96 rows, 192 columns$"):
        backend(our_engine()[0]).infer(pair.left, pair.right)


def test_a_failure_while_running_names_its_reason_and_the_backend_lives_on():
    stage = EngineStage(make_plan("fails", our_bindings()), fake_library(), "engine x")
    with pytest.raises(BackendError, match=r"engine x failed while running: .*out of memory"):
        stage.enqueue()


def test_closing_frees_the_device():
    engine, device = our_engine()
    backend(engine).close()
    assert device.closed


def refused(plan, message, version=VERSIONS[0]):
    with pytest.raises(BackendError, match=message):
        EngineStage(plan, fake_library(version), "engine x")


def test_a_truncated_plan_is_refused():
    plan = make_plan("ours", our_bindings())
    refused(plan[: len(plan) - 200], "engine x is refused .*truncated or no engine")
    refused(b"", "truncated or no engine")


def test_a_plan_of_another_version_is_refused_with_both_versions():
    refused(
        make_plan("ours", our_bindings(), "10.9.0.34"), r"expecting library version 10\.3\.0 got 10\.9.*build it here"
    )


def test_a_plan_of_another_gpu_is_refused_with_both_gpus():
    refused(
        make_plan("ours", our_bindings(), gpu="8.9"),
        r"expecting compute 8\.7 got compute 8\.9.*the GPU they were built for only: build it here",
    )


def test_dynamic_axes_are_refused():
    bindings = [(name, is_input, (1, -1, W, 3), dtype) for name, is_input, _, dtype in our_bindings()]
    refused(make_plan("ours", bindings), r"dynamic axes \(left: \[1, -1, 160, 3\]\)")


@pytest.mark.parametrize(
    "bindings",
    [
        [("images", True, (1, 6, H, W), "float32"), ("disp", False, (1, 1, H, W), "float32")],
        [
            ("left", True, (1, 3, H, W), "float32"),
            ("right", True, (1, 3, H, 96), "float32"),
            ("disp", False, (1, 1, H, W), "float32"),
        ],
        [
            ("left", True, (2, 3, H, W), "float32"),
            ("right", True, (2, 3, H, W), "float32"),
            ("disp", False, (2, 1, H, W), "float32"),
        ],
        [*upstream_bindings()[:2], ("disp", False, (1, 1, H // 4, W // 4), "float32")],
        [*upstream_bindings()[:2], ("logits", False, (1, 1, H, W), "float32")],
        [*upstream_bindings(), ("depth_prior", True, (1, 1, H, W), "float32")],
    ],
)
def test_tensors_of_another_network_are_listed_and_refused(bindings):
    stage = EngineStage(make_plan("ours", bindings), fake_library(), "engine x")
    with pytest.raises(BackendError, match=rf"no stereo engine is recognised.*{bindings[0][0]} float32"):
        recognise(stage.bindings)


def write(path, plan):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plan)
    return path


def foreign(path, max_disparity=D):
    devices = []

    def new_device():
        devices.append(HostDevice())
        return devices[-1]

    return open_foreign(path, max_disparity, Workbench(fake_library(), new_device)), devices


def close_to_sgbm(engine):
    pair = room_pair(H, W, D)
    difference = np.abs(engine.disparity(pair.left, pair.right) - sgbm(pair.left, pair.right))
    return np.mean(difference > 0.5)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_authors_single_engine_is_fed_bytes_as_floats(tmp_path, dtype):
    engine, _ = foreign(write(tmp_path / "ffs.engine", make_plan("inside", upstream_bindings(dtype))))
    assert engine.reading.name.startswith("0..255")
    assert close_to_sgbm(engine) == 0


def test_nvidias_export_is_fed_normalised_images(tmp_path):
    engine, _ = foreign(write(tmp_path / "foundationstereo.plan", make_plan("outside", nvidia_bindings())))
    assert "normalised outside" in engine.reading.name
    assert close_to_sgbm(engine) < 0.02  # measured 0: half-grey rounding may move a pixel


@pytest.mark.parametrize("noted", [None, "normalize: true\n", "normalize: false\n", "::not yaml: ["])
def test_the_authors_two_engines_run_with_the_volume_between(tmp_path, noted):
    first, second = split_bindings()
    write(tmp_path / "feature_runner.engine", make_plan("features", first))
    write(tmp_path / "post_runner.engine", make_plan("post", second))
    if noted is not None:
        (tmp_path / "onnx.yaml").write_text(noted)
    engine, devices = foreign(tmp_path)
    # The correlation of these features finds the shift only when it is normalised, whatever the export noted.
    assert [stage.normalize for stage in engine.session._stages if isinstance(stage, VolumeStage)] == [True]
    assert engine.layout.max_disparity == D
    assert devices[0].recordings == 0  # torch's memory pool must not end up in a CUDA graph
    pair = room_pair(H, W, D)
    error = np.abs(engine.disparity(pair.left, pair.right) - pair.truth)
    assert np.median(error) <= 2.0  # quarter-resolution argmax: steps of 4 px


def test_a_half_precision_volume_between_the_engines(tmp_path):
    first, second = split_bindings("float16")
    write(tmp_path / "feature_runner.engine", make_plan("features", first))
    write(tmp_path / "post_runner.engine", make_plan("post", second))
    engine, _ = foreign(tmp_path)
    assert engine.shape == (H, W)


def test_two_engines_of_two_exports_are_refused(tmp_path):
    first, second = split_bindings()
    other = [(n, i, (1, 16, 7, 7) if n == "stem_2x" else s, d) for n, i, s, d in second]
    write(tmp_path / "feature_runner.engine", make_plan("features", first))
    write(tmp_path / "post_runner.engine", make_plan("post", other))
    with pytest.raises(BackendError, match=r"stem_2x is float32.*not exported together"):
        foreign(tmp_path)


@pytest.mark.parametrize(
    ("compute", "cause"), [("quarter", "0.25 times"), ("nan", "overflow"), ("negative", "wrong normal")]
)
def test_a_foreign_engine_that_answers_wrongly_is_refused_with_figures(tmp_path, compute, cause):
    plan = make_plan(compute, our_bindings())
    with pytest.raises(BackendError, match=f"bad.engine failed its self-test .*cosine .*{cause}"):
        foreign(write(tmp_path / "bad.engine", plan))


def test_a_missing_engine_file_is_named(tmp_path):
    with pytest.raises(BackendError, match=r"nothing\.engine cannot be read"):
        foreign(tmp_path / "nothing.engine")


_WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import of it raises ImportError
sys.path.insert(0, {folder!r})
import numpy as np
from fake_tensorrt import HostDevice, fake_library, make_plan, our_bindings, sgbm
from pathlib import Path
from ffstereo_ros.backends.tensorrt_device import GpuFacts
from ffstereo_ros.export.blueprint import Blueprint
from ffstereo_ros.export.engine_build import Target, build_engine
from ffstereo_ros.export.engine_cache import stored_engines
from ffstereo_ros.export.engine_loading import Workbench
from ffstereo_ros.export.engine_search import NetworkWish, load_backend
from ffstereo_ros.export.self_test import record_cases
gpu = GpuFacts("Orin", "8.7", "")
graph = b"graph:" + make_plan("ours", our_bindings())
drawn = Blueprint(graph, record_cases(sgbm, 96, 160, 64), 96, 160, 8, 64, "fp16", "mini", "a")
build_engine(drawn, fake_library(), Target(gpu.describe(), ""))
bench = Workbench(fake_library(), HostDevice)
backend = load_backend(stored_engines(), NetworkWish("mini", "a", 8, 64), gpu, bench)
blank = np.zeros((96, 160, 3), np.uint8)
print(backend.infer(blank, blank).disparity.shape)
"""


def test_building_and_running_need_no_torch(tmp_path):
    script = _WITHOUT_TORCH.format(folder=str(Path(__file__).parents[1]))
    environment = {**os.environ, "FFSTEREO_CACHE": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "(96, 160)"

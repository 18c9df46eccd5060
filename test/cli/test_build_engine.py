"""`ffstereo build-engine`: sizes, refusals, and an export that another machine builds from."""

import subprocess
import sys

import pytest
from fake_tensorrt import D, H, W, fake_library, make_plan, our_bindings, sgbm

from ffstereo_ros.backends import tensorrt_library
from ffstereo_ros.backends.tensorrt_device import GpuFacts
from ffstereo_ros.cli.build_engine import parse_size
from ffstereo_ros.cli.main import main
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.export import engine_build
from ffstereo_ros.export.blueprint import Blueprint
from ffstereo_ros.export.self_test import record_cases


def run(*arguments, cache):
    command = [sys.executable, "-m", "ffstereo_ros.cli.main", "build-engine", *map(str, arguments)]
    environment = {"FFSTEREO_CACHE": str(cache), "PATH": "/usr/bin:/bin", "HOME": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("text", "size"),
    [("480x640", (480, 640)), ("481X641", (512, 672)), (" 32x32 ", (32, 32)), ("720x1280", (736, 1280))],
)
def test_sizes_are_rows_by_columns_rounded_up(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "480", "480x", "0x640", "16x640", "-480x640", "480x640x3", "480,640", "1e3x640"])
def test_other_sizes_are_refused(text):
    with pytest.raises(ParameterError, match="rows x columns in px are needed"):
        parse_size(text)


def test_weights_that_do_not_exist_are_refused_in_one_line(tmp_path):
    ran = run("nothing.safetensors", "--export-only", tmp_path / "out", cache=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith("ffstereo build-engine: ")
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_iterations_out_of_range_are_refused(tmp_path):
    ran = run("mini", "--iterations", "0", cache=tmp_path)
    assert "iterations = 0: allowed is 1 to 64" in ran.stderr


def test_a_folder_does_not_take_the_name_of_installed_weights(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("safetensors", reason="needs safetensors")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.safetensors").write_bytes(b"damaged")
    (tmp_path / "net").mkdir()
    monkeypatch.chdir(tmp_path)
    ran = run("net", "--export-only", tmp_path / "out", cache=tmp_path)
    assert "net.safetensors" in ran.stderr
    ran = run("./net", "--export-only", tmp_path / "out", cache=tmp_path)
    assert "net is no complete export" in ran.stderr


def test_an_engine_is_built_anew_on_demand(tmp_path, monkeypatch, capsys):
    blueprint = _blueprint(tmp_path / "out")
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path))
    monkeypatch.setattr(tensorrt_library, "load_tensorrt", lambda name: fake_library())
    monkeypatch.setattr(engine_build, "gpu_facts", lambda: GpuFacts("Orin", "8.7", "540.4 (CUDA 12.6)"))
    said = []
    for options in ((), (), ("--force",)):
        assert main(["build-engine", str(blueprint), *options]) == 0
        said.append(capsys.readouterr().out)
    assert ["is there already" in text for text in said] == [False, True, False]
    assert ["Building engine" in text for text in said] == [True, False, True]


def _blueprint(folder):
    graph = b"graph:" + make_plan("ours", our_bindings())
    Blueprint(graph, record_cases(sgbm, H, W, D), H, W, 8, D, "fp16", "net", "a" * 64).write(folder)
    return folder


def test_a_machine_without_gpu_says_so(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="needs TensorRT-RTX: pip install .[tensorrt-rtx]")
    torch = pytest.importorskip("torch", reason="needs torch")
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    ran = run("mini", "--library", "tensorrt_rtx", cache=tmp_path)
    assert ran.returncode == 1
    assert "is there an NVIDIA GPU and a driver" in ran.stderr


def test_weights_are_exported_here_and_built_there(tmp_path):
    """The second command reads the folder alone, and builds for a GPU that is not here."""
    torch = pytest.importorskip("torch", reason="needs torch")
    pytest.importorskip("onnxscript", reason="needs onnxscript: pip install .[export]")
    pytest.importorskip("tensorrt_rtx", reason="needs TensorRT-RTX: pip install .[tensorrt-rtx]")
    weights = _random_weights(torch, tmp_path / "net.safetensors")
    options = ("--size", "64x96", "--max-disparity", "32", "--iterations", "1")
    exported = run(weights, *options, "--export-only", tmp_path / "out", cache=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert "miss a known shift even in PyTorch" in exported.stdout
    rtx = ("--library", "tensorrt_rtx", "--compute-capability", "8.6")
    built = run(tmp_path / "out", *rtx, cache=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "for compute capability 8.6" in built.stdout
    again = run(tmp_path / "out", *rtx, cache=tmp_path)
    assert "is there already" in again.stdout


def _random_weights(torch, path):
    from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
    from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
    from ffstereo_ros.network.model import FastFoundationStereo
    from ffstereo_ros.network.presets import mini_config

    torch.manual_seed(0)
    config = mini_config()
    tensors = FastFoundationStereo(config).state_dict()
    save_weights(path, LoadedWeights(config, tensors, WeightsMetadata("net", "test")))
    return path

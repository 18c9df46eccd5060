"""The network's benchmark as far as no GPU is needed: its stages are all of it, its tables, options and refusals."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ffstereo_ros import machine
from ffstereo_ros.backends import cuda_measure, torch_device
from ffstereo_ros.backends.cuda_measure import STAGES, NetworkRow, stage_times
from ffstereo_ros.backends.pytorch import NetworkSettings, network_forward
from ffstereo_ros.backends.torch_device import Placement
from ffstereo_ros.cli import bench_network_cuda
from ffstereo_ros.cli.main import main
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.inference.kernel_network import with_kernels
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

CPU = Placement(torch.device("cpu"), torch.float32, "fp32", "a CPU")
ROW = NetworkRow(10.0, float("nan"), 5.0, 2.5, 3.0, dict.fromkeys(STAGES, 0.25), 321.0)


def operations(function: Callable[[], object]) -> float:
    """In place of a timer: multiplications and additions, which no other process disturbs."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def test_the_stages_are_nearly_all_of_the_network():
    torch.manual_seed(0)
    model = FastFoundationStereo(mini_config()).eval()
    network = with_kernels(prepare_for_inference(model, torch.device("cpu"), torch.float32))
    forward = network_forward(network, NetworkSettings(4, 64))
    pair = torch.zeros(2, 192, 256, 3, dtype=torch.uint8)
    with torch.inference_mode():
        before = forward(pair, None)
        stages = stage_times(network, lambda: forward(pair, None), operations, lambda function: function)
        whole = 1000 * operations(lambda: forward(pair, None))
        assert torch.equal(forward(pair, None), before)
    assert not set(STAGES) & set(vars(network))  # nothing is left of the listening
    assert tuple(stages) == STAGES
    assert 0.97 * whole < sum(stages.values()) <= whole


def test_the_tables_hold_every_figure():
    case = bench_network_cuda.Case("mini", "480x640", 8)
    text = bench_network_cuda.table([(case, ROW)]).splitlines()[-1]
    assert text == "| mini | 480x640 | 8 | 10.00 | nan | 5.00 | 2.50 | 3.00 | 321 |"
    assert bench_network_cuda.stage_table([(case, ROW)]).splitlines()[-1].count("0.25") == len(STAGES)


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "network", "--device", "cuda"]) == 1
    assert "measured on an NVIDIA GPU: " in capsys.readouterr().err


@pytest.fixture
def gpu(monkeypatch):
    """Stands for a GPU: what is asked of it is noted, and every time is 1 ms."""
    seen: list[str] = []

    class Timer:
        def __init__(self) -> None:
            seen.append("timer made")

        def __call__(self, function: Callable[[], object]) -> float:
            function()
            return 1e-3

    def compiled(forward: Callable[..., object]) -> Callable[..., object]:
        seen.append("compiled")
        return forward

    monkeypatch.setattr(cuda_measure, "CudaTimer", Timer)
    monkeypatch.setattr(cuda_measure, "_record", lambda function: function)
    monkeypatch.setattr(cuda_measure, "_frame", lambda *_: 1.0)
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 7_000_000)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: seen.append("peak asked") or 57_000_000)
    monkeypatch.setattr(torch_device, "choose_placement", lambda device, precision: CPU)
    monkeypatch.setattr(machine, "machine", dict)
    return seen


SMALL = ["bench", "network", "mini", "--device", "cuda", "--max-disparity", "64"]


@pytest.mark.parametrize(("option", "compiling"), [([], ["compiled"]), (["--no-compile"], [])])
def test_the_peak_is_the_networks_and_compiling_can_be_left_out(gpu, option, compiling, tmp_path):
    file = tmp_path / "network.json"
    assert main([*SMALL, "--size", "64x96", "--iterations", "1", "--json", str(file), *option]) == 0
    (row,) = json.loads(file.read_text(encoding="utf-8"))["network"]
    assert gpu == ["peak asked", "timer made", *compiling]
    assert (row["peak_mb"], row["eager"], math.isnan(row["compiled"])) == (50.0, 1.0, not compiling)


@pytest.mark.parametrize(
    ("option", "cases"),
    [
        ([], [("480x640", 4), ("480x640", 8), ("576x960", 4), ("576x960", 8)]),
        (["--size", "64x96", "50x70", "--iterations", "2"], [("64x96", 2), ("64x96", 2)]),
        (["--size", "64x96", "--iterations", "1", "2"], [("64x96", 1), ("64x96", 2)]),
    ],
)
def test_sizes_and_iterations_can_be_chosen(gpu, monkeypatch, option, cases):
    seen = []

    def measured(model, placement, settings, images, with_compiled):
        assert with_compiled
        seen.append(("x".join(map(str, images.shape[1:3])), settings.iterations))
        return ROW

    monkeypatch.setattr(cuda_measure, "measure_network", measured)
    assert main([*SMALL, *option]) == 0
    assert seen == cases


@pytest.mark.parametrize(
    ("option", "message"),
    [(["--size", "640"], "size '640': rows x columns"), (["--iterations", "0"], "iterations = 0")],
)
def test_what_is_refused_is_refused_before_anything_is_measured(gpu, capsys, option, message):
    assert main([*SMALL, *option]) == 1
    assert message in capsys.readouterr().err
    assert gpu == []

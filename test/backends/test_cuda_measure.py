"""The network's benchmark as far as no GPU is needed: its stages are all of it, its tables, its refusal."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from ffstereo_ros.backends.cuda_measure import STAGES, NetworkRow, stage_times
from ffstereo_ros.backends.pytorch import NetworkSettings, network_forward
from ffstereo_ros.cli import bench_network_cuda
from ffstereo_ros.cli.main import main
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.inference.kernel_network import with_kernels
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config


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
    row = NetworkRow(10.0, float("nan"), 5.0, 2.5, 3.0, dict.fromkeys(STAGES, 0.25), 321.0)
    case = bench_network_cuda.Case("mini", "480x640", 8)
    text = bench_network_cuda.table([(case, row)]).splitlines()[-1]
    assert text == "| mini | 480x640 | 8 | 10.00 | nan | 5.00 | 2.50 | 3.00 | 321 |"
    assert bench_network_cuda.stage_table([(case, row)]).splitlines()[-1].count("0.25") == len(STAGES)


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "network", "--device", "cuda"]) == 1
    assert "measured on an NVIDIA GPU: " in capsys.readouterr().err

"""The CUDA backend on a real GPU: its graphs give what the plain network gives in float32, frame after frame."""

import numpy as np
import pytest
import torch

from ffstereo_ros.backends.cuda import CudaBackend
from ffstereo_ros.backends.pytorch import NetworkSettings, TorchBackend
from ffstereo_ros.backends.torch_device import Placement, choose_placement
from ffstereo_ros.export.self_test_pairs import room_pair
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")

CPU = Placement(torch.device("cpu"), torch.float32, "fp32", "a CPU")
SETTINGS = NetworkSettings(iterations=4, max_disparity=64)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return FastFoundationStereo(mini_config()).eval()


@pytest.mark.parametrize(("precision", "mean"), [("fp32", 1e-3), ("fp16", 0.02), ("bf16", 0.2)])
def test_graphs_answer_as_the_cpu_does(model, precision, mean):
    plain = TorchBackend(model, "mini", CPU, SETTINGS)
    ours = CudaBackend(model, "mini", choose_placement("cuda", precision), SETTINGS)
    assert ours.failures == ()
    for height, width, seed in ((96, 160, 1), (160, 96, 2), (96, 160, 3), (96, 160, 4)):
        pair = room_pair(height, width, 64, seed=seed)
        given, expected = (each.infer(pair.left, pair.right) for each in (ours, plain))
        assert np.isfinite(given.disparity).all()
        assert np.abs(given.disparity - expected.disparity).mean() < mean


def test_a_start_and_the_hierarchical_pass(model):
    placement = choose_placement("cuda", "fp32")
    pair, start = room_pair(96, 192, 64), np.full((96, 192), 7.0, np.float32)
    for settings, given in ((SETTINGS, start), (NetworkSettings(4, 64, hierarchical=True), None)):
        plain, ours = TorchBackend(model, "mini", CPU, settings), CudaBackend(model, "mini", placement, settings)
        answers = [each.infer(pair.left, pair.right, initial_disparity=given).disparity for each in (plain, ours)]
        assert np.abs(answers[0] - answers[1]).mean() < 1e-3


def test_closing_gives_the_memory_back(model):
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    backend = CudaBackend(model, "mini", choose_placement("cuda", "fp16"), SETTINGS)
    assert torch.cuda.memory_reserved() > before
    backend.close()
    del backend
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() <= before + 32 * 2**20

"""The network on our kernels gives the plain network's answer, and nothing in it needs the host between its ends."""

from __future__ import annotations

import pytest
import torch
from golden_data import NetworkSource
from network_arrangements import arrangements
from pretend_gpu import pretend_gpu, pretend_on_gpu
from torch import Tensor

from ffstereo_ros.kernels.correlation_volume.folding import PointwiseConvolution
from ffstereo_ros.kernels.volume_terms.folding import FirstConvolution
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.inference import prepare_for_inference
from ffstereo_ros.network.inference.kernel_network import KernelNetwork, with_kernels
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

CONFIGS = {"mini": mini_config(), **arrangements()}
SPLIT = {
    "mini": FirstConvolution,
    "default": PointwiseConvolution,
    "no gate before the hourglass, raw correlation": PointwiseConvolution,
}


def network(config: NetworkConfig) -> FastFoundationStereo:
    """Random weights, those of the refinement enlarged: with torch's own the samples hardly move the answer."""
    torch.manual_seed(0)
    model = FastFoundationStereo(config).eval().requires_grad_(False)
    for parameter in model.update_block.parameters():
        parameter.mul_(2.5)
    return model


def on_kernels(model: FastFoundationStereo) -> KernelNetwork:
    return with_kernels(prepare_for_inference(model, torch.device("cpu"), torch.float32))


def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    wide = torch.rand(1, 3, height, width + 5, generator=generator) * 255
    return wide[..., :-5], wide[..., 5:]


def worst_error(model: FastFoundationStereo, iterations: int, *size: int) -> float:
    """Largest difference of the two networks' answers, px, over what their answer varies by."""
    with torch.inference_mode():
        plain = model(*pair(*size), iterations, 64).disparity
        ours = on_kernels(model)(*pair(*size), iterations, 64).disparity
    assert float(plain.max() - plain.min()) > 0.1, "an answer that is constant proves nothing"
    return float((plain - ours).abs().max())


@pytest.mark.parametrize("name", CONFIGS)
def test_any_arrangement_answers_as_without_kernels(name: str) -> None:
    assert worst_error(network(CONFIGS[name]), 2, 64, 96) < 1e-4  # worst seen: 1.5e-5 px


@pytest.mark.parametrize("name", ["searched", "full"])
def test_the_golden_checkpoints_answer_as_without_kernels(golden_network: NetworkSource, name: str) -> None:
    assert worst_error(golden_network(name, True), 2, 64, 96) < 5e-3  # worst seen: 1.6e-3 px


@pytest.mark.parametrize("name", SPLIT)
def test_the_combined_volume_is_never_written(name: str) -> None:
    assert isinstance(on_kernels(network(CONFIGS[name])).first, SPLIT[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", ["mini", "default", "searched"])
def test_on_a_gpu_all_of_it_stays_there(name: str, dtype: torch.dtype) -> None:
    """On tensors that only say they are on a GPU: shapes, types and devices of that path, without one."""
    model = with_kernels(prepare_for_inference(network(CONFIGS[name]), torch.device("cpu"), dtype))
    with pretend_gpu() as kernels:
        pretend_on_gpu(model)
        output = model(*torch.empty(2, 1, 3, 96, 160, device="cuda").unbind(0), 2, 64)
    assert (tuple(output.disparity.shape), output.disparity.dtype) == ((1, 1, 96, 160), torch.float32)
    assert output.disparity.device.type == "cuda"
    expected = {"correlation_volume": 1, "geometry_lookup": 2, "convex_upsample": 1}
    assert kernels == (expected | {"add_volume_terms_": 1} if name == "mini" else expected)

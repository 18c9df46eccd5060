"""The network as a whole: batches, training mode, a given start, refusals, lower precision, export."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from network_arrangements import searched_hourglass, small_config
from torch import Tensor, nn

from ffstereo_ros.errors import ImageError, ParameterError
from ffstereo_ros.network.model import FastFoundationStereo, StereoOutput
from ffstereo_ros.network.starting_disparity import continue_left_band, local_soft_argmax, soft_argmax


@pytest.fixture(scope="module")
def network() -> FastFoundationStereo:
    torch.manual_seed(3)
    return FastFoundationStereo(small_config(searched_hourglass())).eval()


def images(batch: int, height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch)
    left, right = torch.rand(2, batch, 3, height, width, generator=generator).mul(255).unbind(0)
    return left, right


def test_output_shapes(network: FastFoundationStereo) -> None:
    with torch.inference_mode():
        output = network(*images(2), 2, 128)
    assert output.disparity.shape == (2, 1, 64, 96)
    assert output.initial_disparity.shape == (2, 1, 16, 24)
    assert output.logits.shape == (2, 32, 16, 24)
    assert output.iterations == ()
    assert output.disparity.dtype == torch.float32


def test_each_pair_of_a_batch_is_matched_by_itself(network: FastFoundationStereo) -> None:
    left, right = images(3)
    with torch.inference_mode():
        together = network(left, right, 3, 64).disparity
        alone = torch.cat([network(a[None], b[None], 3, 64).disparity for a, b in zip(left, right)])
    assert (together - alone).abs().max() < 1e-3  # px; worst measured 1.2e-5


def test_training_gives_every_iteration(network: FastFoundationStereo) -> None:
    """The maps of a training pass are those of evaluation runs of 1, 2, 3 iterations (norms frozen)."""
    trained = copy.deepcopy(network)
    trained.training = True  # of the root alone: its parts keep their running statistics
    with torch.inference_mode():
        output = trained(*images(1), 3, 64)
        runs = [network(*images(1), iterations, 64).disparity for iterations in (1, 2, 3)]
    assert len(output.iterations) == 3
    assert all(torch.equal(ours, run) for ours, run in zip(output.iterations, runs))
    assert torch.equal(output.disparity, output.iterations[-1])


def test_batch_norms_learn_in_training(network: FastFoundationStereo) -> None:
    trained = copy.deepcopy(network).train()
    before = {name: buffer.clone() for name, buffer in trained.named_buffers() if name.endswith("running_mean")}
    trained(*images(2), 1, 64)
    after = dict(trained.named_buffers())
    assert before
    assert all(not torch.equal(after[name], value) for name, value in before.items())


def test_a_given_start_replaces_the_estimate(network: FastFoundationStereo) -> None:
    left, right = images(1)
    with torch.inference_mode():
        own = network(left, right, 2, 64)
        same = network(left, right, 2, 64, own.initial_disparity)
        other = network(left, right, 2, 64, own.initial_disparity + 5)
    assert torch.equal(own.disparity, same.disparity)
    assert torch.equal(own.logits, other.logits)
    assert (other.disparity - own.disparity).mean() > 10  # px: 5 quarter px up is 20 px, the update moves it a little


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((1, 3, 64, 96), (1, 3, 64, 128), "must be"),
        ((1, 1, 64, 96), (1, 1, 64, 96), "must be"),
        ((3, 64, 96), (3, 64, 96), "must be"),
        ((1, 3, 60, 96), (1, 3, 60, 96), "96 x 60 px: .* multiples of 32"),
        ((1, 3, 0, 96), (1, 3, 0, 96), "96 x 0 px"),
    ],
)
def test_images_it_cannot_use(
    network: FastFoundationStereo, left: tuple[int, ...], right: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        network(torch.zeros(left), torch.zeros(right), 1, 64)


@pytest.mark.parametrize(
    ("iterations", "max_disparity", "message"),
    [
        (0, 64, "iterations is 0: at least 1"),
        (-2, 64, "iterations is -2"),
        (1, 100, "max_disparity is 100 px: .* from 32 to 192 px"),
        (1, 0, "max_disparity is 0 px"),
        (1, -32, "max_disparity is -32 px"),
        (1, 224, "max_disparity is 224 px"),
    ],
)
def test_settings_it_refuses(network: FastFoundationStereo, iterations: int, max_disparity: int, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        network(*images(1), iterations, max_disparity)


def test_a_start_of_another_size_is_refused(network: FastFoundationStereo) -> None:
    with pytest.raises(ParameterError, match=r"\(1, 1, 64, 96\): \(1, 1, 16, 24\) is expected"):
        network(*images(1), 1, 64, torch.zeros(1, 1, 64, 96))


def test_the_smallest_image_and_a_range_beyond_its_width(network: FastFoundationStereo) -> None:
    with torch.inference_mode():
        assert torch.isfinite(network(*images(1, 32, 32), 1, 192).disparity).all()


@pytest.mark.parametrize("cast", ["module", "autocast"])
def test_bfloat16_stays_near_float32(network: FastFoundationStereo, cast: str) -> None:
    """Disparities stay float32 inside; 0.05 px mean allowed, worst measured 1.6e-3 (untrained weights)."""
    left, right = images(1)
    low = copy.deepcopy(network).bfloat16() if cast == "module" else network
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=cast == "autocast"):
        ours = low(left, right, 2, 64).disparity
    with torch.inference_mode():
        expected = network(left, right, 2, 64).disparity
    assert ours.dtype == torch.float32
    assert (ours - expected).abs().mean() < 0.05


class _DisparityAlone(nn.Module):
    def __init__(self, network: FastFoundationStereo) -> None:
        super().__init__()
        self.network = network

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        output: StereoOutput = self.network(left, right, 2, 64)
        return output.disparity


def test_exports_as_one_graph(network: FastFoundationStereo) -> None:
    """torch.export traces the same modules; ONNX and TensorRT start from this graph."""
    left, right = images(1)
    program = torch.export.export(_DisparityAlone(network), (left, right))
    with torch.inference_mode():
        difference = program.module()(left, right) - network(left, right, 2, 64).disparity
    assert difference.abs().max() < 1e-3  # px; worst measured 0
    targets = {str(node.target) for node in program.graph.nodes}
    assert not any("grid_sample" in target for target in targets)


def test_the_start_goes_by_the_config() -> None:
    logits = 3 * torch.randn(1, 24, 4, 4)
    whole = FastFoundationStereo(small_config())
    local = FastFoundationStereo(replace(small_config(), start_radius=1))
    assert torch.equal(whole.start(logits), soft_argmax(logits))
    assert torch.equal(local.start(logits), local_soft_argmax(logits, 1))
    seen = FastFoundationStereo(replace(small_config(), continue_left_band=True))
    assert torch.equal(seen.start(logits), continue_left_band(soft_argmax(logits)))
    with pytest.raises(ParameterError, match="start_radius: is 0 bins"):
        FastFoundationStereo(replace(small_config(), start_radius=0))


def test_one_surface_is_taken_when_matching_and_not_in_training() -> None:
    model = FastFoundationStereo(replace(small_config(), surface_radius=4.0))
    assert model.train()._surface_radius() is None
    assert model.eval()._surface_radius() == 4.0
    with pytest.raises(ParameterError, match="surface_radius: is 0 px"):
        FastFoundationStereo(replace(small_config(), surface_radius=0))


def test_each_refinement_continues_the_left_band(
    network: FastFoundationStereo, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = FastFoundationStereo(replace(network.config, continue_left_band=True)).eval()
    refined: list[Tensor] = []
    monkeypatch.setattr(model, "upsample", lambda disparity, *_: refined.append(disparity) or disparity)
    start = torch.linspace(12.0, 6.0, 24).expand(1, 1, 16, 24)  # a given start is not continued itself
    with torch.inference_mode():
        model(*images(1), 2, 64, start)
    assert not torch.equal(continue_left_band(start), start)
    assert torch.equal(continue_left_band(refined[0]), refined[0])

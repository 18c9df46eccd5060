"""The network as a CPU runs it computes what the plain modules do, in float32, for any arrangement."""

from __future__ import annotations

import pytest
import torch
from golden_data import NetworkSource
from network_arrangements import arrangements
from prepared import run, settled

from ffstereo_ros.network.inference import prepare_for_cpu
from ffstereo_ros.network.inference.cpu_network import CpuStereo
from ffstereo_ros.network.inference.update_step import UpdateStep
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config

CONFIGS = {"mini": mini_config(), **arrangements()}


@pytest.mark.parametrize("name", CONFIGS)
def test_any_arrangement_computes_the_same(name: str) -> None:
    """1e-3 px and 1e-5 of the logits allowed; worst measured 2.3e-5 px and 6.4e-7."""
    torch.manual_seed(1)
    model = settled(FastFoundationStereo(CONFIGS[name]), seed=2)
    prepared = prepare_for_cpu(model, torch.float32)
    ours, plain = run(prepared, 3), run(model, 3)
    assert (ours.disparity - ours.initial_disparity.mean()).abs().mean() > 1  # px: the refinement did something
    assert (ours.logits - plain.logits).abs().max() < 1e-5
    assert (ours.disparity - plain.disparity).abs().max() < 1e-3


@pytest.mark.parametrize("network", ["full", "searched"])
def test_golden_networks_compute_the_same(network: str, golden_network: NetworkSource) -> None:
    """Mean 5e-3 px and 1e-3 of the logits allowed, as against the authors' code; measured 3.5e-4 px and 5.6e-5."""
    model = golden_network(network, True)
    prepared = prepare_for_cpu(model, torch.float32)
    ours, plain = run(prepared, 4), run(model, 4)
    assert isinstance(prepared, CpuStereo)
    assert prepared.first_convolution is not None
    assert prepared.sample_projection is not None
    assert isinstance(prepared.update_block, UpdateStep)
    assert (ours.logits - plain.logits).abs().mean() < 1e-3
    assert (ours.disparity - plain.disparity).abs().mean() < 5e-3

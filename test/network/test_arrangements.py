"""Any arrangement of the blocks builds, runs, trains and comes back from its JSON form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_arrangements import arrangements, basic3d, feature_attention_spec, helper, small_config

from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.specs import reduced_conv_spec, residual_spec

ARRANGEMENTS = arrangements()


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_builds_runs_and_trains(name: str) -> None:
    torch.manual_seed(0)
    model = FastFoundationStereo(ARRANGEMENTS[name]).train()
    left, right = torch.rand(2, 2, 3, 64, 96).mul(255).unbind(0)
    output = model(left, right, 2, 64)
    assert [tuple(step.shape) for step in output.iterations] == [(2, 1, 64, 96)] * 2
    sum(step.mean() for step in (*output.iterations, output.initial_disparity)).backward()
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []
    with torch.inference_mode():
        assert torch.isfinite(model.eval()(left, right, 2, 64).disparity).all()


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_comes_back_from_json(name: str) -> None:
    config = ARRANGEMENTS[name]
    again = NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    built = [{key: value.shape for key, value in FastFoundationStereo(c).state_dict().items()} for c in (config, again)]
    assert built[0] == built[1]


@settings(max_examples=12, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    kinds=st.lists(st.sampled_from(["basic", "reduced", "residual", "gate"]), min_size=3, max_size=3),
    disparity_kernel=st.sampled_from([1, 3, 5, 13, 17]),
)
def test_any_chain_of_blocks_fills_a_slot(widths: list[int], kinds: list[str], disparity_kernel: int) -> None:
    """The slot before the hourglass, 8 channels in and 6 out, through blocks of drawn kinds and widths."""
    blocks, channels = [], 8
    for width, kind in zip([*widths[:-1], 6], kinds):
        reduced = reduced_conv_spec(channels, width, disparity_kernel)
        blocks.append(reduced if kind == "reduced" else basic3d(channels, width))
        blocks.extend([residual_spec(3, width)] if kind == "residual" else [])
        blocks.extend([feature_attention_spec(width, 16, hidden=3)] if kind == "gate" else [])
        channels = width
    config = replace(small_config(), corr_stem=None, corr_feature_att=helper(*blocks))
    image = torch.rand(1, 3, 32, 64) * 255
    with torch.inference_mode():
        assert FastFoundationStereo(config).eval()(image, image, 1, 32).disparity.shape == (1, 1, 32, 64)
    assert NetworkConfig.from_dict(config.to_dict()) == config

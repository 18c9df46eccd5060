"""Presets: what issue and machine allow them to weigh and cost, and that they are the same classes as the others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.config import NetworkConfig
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import PRESETS, preset_config

_LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def _multiplications(model: nn.Module, height: int, width: int, iterations: int) -> int:
    """Multiplications of all convolutions and linear layers for one pair, 192 px; counted by shapes alone."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if isinstance(layer, nn.ConvTranspose2d | nn.ConvTranspose3d):
            total += inputs[0].numel() * weight.numel() // weight.shape[0]
        else:
            total += output.numel() * weight.numel() // weight.shape[0]

    handles = [layer.register_forward_hook(count) for layer in model.modules() if isinstance(layer, _LAYERS)]
    image = torch.zeros(1, 3, height, width)
    with torch.no_grad():
        model(image, image, iterations=iterations, max_disparity=192)
    for handle in handles:
        handle.remove()
    return total


def test_mini_stays_small() -> None:
    model = FastFoundationStereo(preset_config("mini")).eval()
    numbers = sum(tensor.numel() for tensor in model.state_dict().values())
    assert 2 * numbers < 8e6  # bytes in float16; measured 3.2e6
    per_cell = _multiplications(model, 160, 160, iterations=1) / (160 * 160)
    gigaflop = 2 * per_cell * 480 * 640 / 1e9
    assert gigaflop < 40, gigaflop  # measured 39.5; every further refinement adds 2.8


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_survives_its_file_form(name: str) -> None:
    config = preset_config(name)
    assert NetworkConfig.from_dict(config.to_dict()) == config


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="mini"):
        preset_config("maxi")

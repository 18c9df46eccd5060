"""A run starts from weights that can learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ffstereo_ros.training.loop import _parameter_groups
from ffstereo_ros.training.start import fresh_model


@pytest.mark.parametrize("seed", [0, 1])
def test_refinement_starts_where_gradients_pass(seed: int) -> None:
    model = fresh_model("mini", seed)
    update, seen = model.update_block, {}

    def watch(name: str, module: nn.Module) -> None:
        def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = output.detach()

        module.register_forward_hook(note)

    for name in ("small_gru", "large_gru"):
        for gate in ("convz", "convr", "convq"):
            watch(f"{name}.{gate}", update.gru04.get_submodule(name).get_submodule(gate))
    watch("head", next(module for module in update.disp_head.modules() if isinstance(module, nn.Conv2d)))
    features = torch.randn(1, model.config.volume.proj_cmb.in_channels, 24, 48)
    samples = torch.randn(1, model.config.update_block.encoder.convc1.in_channels, 24, 48).abs()
    disparity = torch.linspace(0, 47, 48).expand(1, 1, 24, 48)  # quarter px, as in a volume of 192 px
    with torch.no_grad():
        update(model.context(features), samples, disparity)
    head = seen.pop("head")
    assert (head > 0).float().mean() > 0.2
    for name, values in seen.items():
        flat = values.abs() > 4  # where tanh and sigmoid have less than a fiftieth of their slope
        assert flat.float().mean() < 0.2, name


def test_every_parameter_learns_once_and_the_disparity_head_slowly() -> None:
    model = fresh_model("mini", 0)
    groups = _parameter_groups(model, 0.1)
    learning = [parameter for group in groups for parameter in group["params"]]
    assert sorted(map(id, learning)) == sorted(map(id, model.parameters()))
    slow = {id(parameter) for group in groups if group["rate_factor"] < 1 for parameter in group["params"]}
    assert slow == {id(parameter) for parameter in model.update_block.disp_head.parameters()}

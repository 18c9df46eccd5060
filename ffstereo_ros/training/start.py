"""The network a run starts from: fresh weights of a preset, or an existing weights file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ffstereo_ros.network.checkpoint.store import build_model, load_weights
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import preset_config

_LAYER_SCALE = 0.3
_QUIET = 0.1
_TYPICAL_DISPARITY = 20.0  # quarter px
_REFINEMENT = (
    "cnet.",
    "update_block.encoder.convd",
    "update_block.encoder.conv.",
    "update_block.gru04.",
    "update_block.disp_head.",
)
_REFINEMENT_GAIN = 0.5


def fresh_model(preset: str, seed: int) -> FastFoundationStereo:
    """A preset's network with random weights.

    Layer scales start at 0.3, not at EdgeNeXt's 1e-6: a run of ten thousand steps has no time to wake the blocks up.
    Refinement starts with half of He et al.'s weights, and what reads the disparity itself, some 20 quarter px, with a
    twentieth of them: in full they would drive gates and hidden state into saturation, where little gradient passes.
    The disparity head starts at zero, the upsampling weights start quiet: refinement begins as the identity,
    upsampling as a mean.
    """
    torch.manual_seed(seed)
    model = FastFoundationStereo(preset_config(preset))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.rsplit(".", 1)[-1] in ("gamma", "gamma_xca"):
                parameter.fill_(_LAYER_SCALE)
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
            if name.startswith(_REFINEMENT):
                module.weight.data.mul_(_REFINEMENT_GAIN)
    update = model.update_block
    with torch.no_grad():
        update.get_parameter("encoder.convd1.weight").div_(_TYPICAL_DISPARITY)
        update.get_parameter("gru04.conv0.0.weight")[:, -1].div_(_TYPICAL_DISPARITY)  # its last channel
        _last_weight(update.disp_head).zero_()
        _last_weight(model.spx_gru).mul_(_QUIET)
    return model


def _last_weight(head: nn.Module) -> nn.Parameter:
    """The kernel of a head's last convolution."""
    return [parameter for name, parameter in head.named_parameters() if name.endswith("weight")][-1]


def starting_model(preset: str, seed: int, init: Path | None) -> FastFoundationStereo:
    """The network of a weights file where one is given, else a fresh one. Raises `WeightsError` for a bad file."""
    return fresh_model(preset, seed) if init is None else build_model(load_weights(init))


def freeze_norms(model: nn.Module) -> None:
    """Batch norms keep their statistics from here on, and are trained as they match: not by those of each batch.

    A batch of one or two pairs has statistics of its own, which the network learns to lean on and a camera's frame,
    normalised by the averages, does not have. To be called after ``train()``, which undoes it.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.eval()

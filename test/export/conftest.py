"""Networks and graphs that several files of this folder export: each is traced once."""

from __future__ import annotations

import pytest
import torch

from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.network.presets import mini_config


def random_mini(seed: int = 0) -> FastFoundationStereo:
    """The small network with random weights that make every stage matter (layer scales near 1, not 1e-6)."""
    torch.manual_seed(seed)
    model = FastFoundationStereo(mini_config()).eval()
    for name, parameter in model.named_parameters():
        if "gamma" in name:
            torch.nn.init.uniform_(parameter, 0.2, 0.5)
    return model


@pytest.fixture(scope="session")
def mini() -> FastFoundationStereo:
    return random_mini()


@pytest.fixture(scope="session")
def mini_fp16(mini: FastFoundationStereo) -> bytes:
    """The graph of the small network, 96x160 px, one iteration, half precision."""
    from ffstereo_ros.export.onnx_graph import GraphSettings, export_onnx

    return export_onnx(mini, GraphSettings(96, 160, 1, 64, "fp16"))

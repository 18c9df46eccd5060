"""What the tests of prepared networks share: networks none of whose numbers is at its start value, and a run."""

from __future__ import annotations

import torch

from ffstereo_ros.network.model import FastFoundationStereo, StereoOutput


def settled(model: FastFoundationStereo, seed: int) -> FastFoundationStereo:
    """Statistics, affine parts, layer scales and the disparity head as a trained network has them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_var", "gamma", "gamma_xca")):
                tensor.uniform_(0.3, 1.5, generator=generator)
            elif name.endswith(("running_mean", "bias")):
                tensor.uniform_(-0.3, 0.3, generator=generator)
            elif name.startswith("update_block") and name.endswith("weight"):
                tensor.normal_(generator=generator).mul_((tensor.numel() / len(tensor)) ** -0.5)
    return model.eval()


@torch.inference_mode()
def run(model: FastFoundationStereo, iterations: int = 2) -> StereoOutput:
    """One pair of noise, 96x64 px, through the network with a search range of 128 px."""
    left, right = torch.rand(2, 1, 3, 64, 96, generator=torch.Generator().manual_seed(5)).mul(255).unbind(0)
    output: StereoOutput = model(left, right, iterations, 128)
    return output

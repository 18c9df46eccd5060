"""The network's graph with our correlation kernel in it: one custom node where the plain graph has some forty."""

from __future__ import annotations

import torch
from torch import Tensor

from ffstereo_ros.kernels.tensors import padded_channels
from ffstereo_ros.network.model import FastFoundationStereo

NAMESPACE, OPERATION, OPERATION_VERSION = "ffstereo", "correlation_volume", 1

# TensorRT's parser looks a node of an unknown domain up among the plugins, by its name and these two attributes.
_PLUGIN = {"plugin_namespace": NAMESPACE, "plugin_version": str(OPERATION_VERSION)}


class KernelStereo(FastFoundationStereo):
    """The same network, for export alone: its volume is a node that only TensorRT with our plugin can compute."""

    def build_volume(self, left: Tensor, right: Tensor, max_disparity: int) -> Tensor:
        """Features at 1/4 [B, C, h, w] -> combined volume [B, G + 2P, D, h, w], D = max_disparity / 4.

        The node takes features and projected features [B, h, w, C] and gives [B, D, h, w, padded channels], the layout
        of the kernel.
        """
        config = self.config.volume
        terms = (self.proj_cmb(each) for each in (left, right))
        maps = [each.permute(0, 2, 3, 1) for each in (left, right, *terms)]
        B, h, w, P = maps[2].shape
        disparities, channels = max_disparity // 4, config.groups + 2 * P
        padded = padded_channels(channels, left.dtype)
        numbers = {"groups": config.groups, "disparities": disparities, "normalize": int(config.normalize)}
        volume = torch.onnx.ops.symbolic(
            f"{NAMESPACE}::{OPERATION}",
            maps,
            {**numbers, "channels": padded, **_PLUGIN},
            dtype=left.dtype,
            shape=(B, disparities, h, w, padded),
            version=OPERATION_VERSION,
        )
        return volume.permute(0, 4, 1, 2, 3)[:, :channels]


def with_kernels(model: FastFoundationStereo) -> FastFoundationStereo:
    """The model given (no copy), its volume now the custom node."""
    model.__class__ = KernelStereo
    return model

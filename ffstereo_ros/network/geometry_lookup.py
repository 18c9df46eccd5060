"""Geometry lookup: samples of the filtered volume and of the all-pairs correlation around the current disparity.

Linear interpolation in index space, samples outside an axis count as zero each by itself (as `grid_sample` with
align_corners and zero padding does). All offsets of one level share the interpolation weight, so ten neighbouring taps
are gathered once and nine samples interpolated between them (radius 4).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.network.config import LookupConfig


class GeometryPyramid:
    """The two sources at every level, made once per pair; calling it samples them around a disparity.

    ``volume`` [B, C, D, H, W] is halved along disparity per level, ``correlation`` [B, H, W, W'] along the right row.
    Both are kept in float32 with one zero on either side of the sampled axis.
    """

    def __init__(self, volume: Tensor, correlation: Tensor, config: LookupConfig) -> None:
        self.radius = config.radius
        self.volumes: list[Tensor] = []
        self.correlations: list[Tensor] = []
        volume = volume.float()
        correlation = correlation.float().permute(0, 3, 1, 2).unsqueeze(1)  # [B, 1, W', H, W]
        for level in range(config.levels):
            if level > 0:
                volume, correlation = _halve(volume), _halve(correlation)
            self.volumes.append(F.pad(volume, (0, 0, 0, 0, 1, 1)))
            self.correlations.append(F.pad(correlation, (0, 0, 0, 0, 1, 1)))

    def __call__(self, disparity: Tensor) -> Tensor:
        """Disparity [B, 1, H, W] in quarter-resolution px -> samples [B, levels * (C + 1) * (2 radius + 1), H, W].

        Per level: for each volume channel the offsets -radius..radius, then those of the correlation.
        """
        disparity = disparity.float()
        columns = torch.arange(disparity.shape[-1], device=disparity.device, dtype=torch.float32)
        samples = []
        for level, (volume, correlation) in enumerate(zip(self.volumes, self.correlations)):
            samples.append(_sample(volume, disparity / 2**level, self.radius))
            samples.append(_sample(correlation, (columns - disparity) / 2**level, self.radius))
        return torch.cat(samples, dim=1)


def _halve(source: Tensor) -> Tensor:
    """Average of neighbours along axis 2; an odd last entry is dropped."""
    B, C, N, H, W = source.shape
    return source[:, :, : N // 2 * 2].reshape(B, C, N // 2, 2, H, W).mean(dim=3)


def _sample(source: Tensor, position: Tensor, radius: int) -> Tensor:
    """Zero-bordered source [B, C, N + 2, H, W], position [B, 1, H, W] -> [B, C * (2 radius + 1), H, W]."""
    length = source.shape[2] - 2
    first = position.floor()
    weight = (position - first).unsqueeze(2)  # [B, 1, 1, H, W]
    offsets = torch.arange(-radius, radius + 2, device=position.device).view(-1, 1, 1)
    index = (first.long() + offsets).clamp(-1, length) + 1  # [B, taps, H, W]
    index = index.unsqueeze(1).expand(-1, source.shape[1], -1, -1, -1)
    taps = source.gather(2, index)
    return torch.lerp(taps[:, :, :-1], taps[:, :, 1:], weight).flatten(1, 2)

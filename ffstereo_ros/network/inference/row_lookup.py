"""The geometry lookup and the 1x1 convolution behind it on pixel-major rows: what a CPU's caches like.

All entries of a pixel lie side by side, so the ten taps around a disparity are one contiguous copy per pixel, nine
samples follow by one interpolation between the copy and itself shifted by an entry, and the convolution is one matrix
product on them. The rows keep the type of the volume: in bfloat16 the samples would be rounded to it anyway.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.network.config import LookupConfig


class SampleProjection:
    """The 1x1 convolution and the ReLU on lookup samples, its weight in the order that `RowLookup` samples in."""

    def __init__(self, convolution: nn.Conv2d, config: LookupConfig) -> None:
        offsets = 2 * config.radius + 1
        weight = convolution.weight.detach()[:, :, 0, 0].unflatten(1, (config.levels, -1, offsets))
        volume, correlation = weight[:, :, :-1], weight[:, :, -1]  # [O, levels, C, offsets], [O, levels, offsets]
        by_level = torch.cat((volume.transpose(2, 3).flatten(2), correlation), dim=2)
        self.weight = by_level.flatten(1).t().contiguous()  # [S, O]
        bias = convolution.bias
        self.bias = self.weight.new_zeros(self.weight.shape[1]) if bias is None else bias.detach()

    def __call__(self, samples: Tensor) -> Tensor:
        """Samples [N, S] -> [N, O]."""
        return torch.addmm(self.bias, samples, self.weight).relu_()


class RowLookup:
    """`GeometryPyramid` with the motion encoder's first convolution and ReLU behind it.

    Made of the filtered volume [B, C, D, H, W] and the features [B, F, H, W] of both images.
    """

    def __init__(
        self, volume: Tensor, left: Tensor, right: Tensor, projection: SampleProjection, config: LookupConfig
    ) -> None:
        self.projection, self.radius = projection, config.radius
        taps = 2 * config.radius + 2
        entries = volume.permute(0, 3, 4, 2, 1)  # [B, H, W, D, C]
        matches = _correlation(left, right).unsqueeze(-1)  # [B, H, W, W', 1]
        self.levels: list[tuple[_Rows, _Rows]] = []
        for level in range(config.levels):
            if level > 0:
                entries, matches = _halve(entries), _halve(matches)
            self.levels.append((_Rows(entries, taps), _Rows(matches, taps)))
        self.samples = volume.new_empty(entries.shape[:3].numel(), len(projection.weight))

    def __call__(self, disparity: Tensor) -> Tensor:
        """Disparity [B, 1, H, W] in quarter-resolution px -> the convolved samples [B, O, H, W], channels last."""
        B, _, H, W = disparity.shape
        columns = torch.arange(W, device=disparity.device, dtype=torch.float32)
        first = 0
        for level, (entries, matches) in enumerate(self.levels):
            for rows, position in ((entries, disparity.float()), (matches, columns - disparity.float())):
                last = first + rows.samples
                rows.sample(position.flatten() / 2**level, self.radius, self.samples[:, first:last])
                first = last
        return self.projection(self.samples).view(B, H, W, -1).permute(0, 3, 1, 2)


class _Rows:
    """A row of L entries of C channels for each of N pixels, ``taps`` entries of zeros before and behind each."""

    def __init__(self, source: Tensor, taps: int) -> None:
        """Source [B, H, W, L, C]; neighbours share the zeros between them."""
        *pixels, self.length, channels = source.shape
        count = source.shape[:3].numel()
        self.taps, self.pitch = taps, self.length + taps
        self.samples = (taps - 1) * channels
        store = source.new_empty(taps + count * self.pitch, channels)
        store[:taps] = 0
        rows = store[taps:].view(*pixels, self.pitch, channels)
        rows[..., : self.length, :] = source
        rows[..., self.length :, :] = 0
        self.windows = store.as_strided((len(store) - taps + 1, taps * channels), (channels, 1))
        self.first = taps + self.pitch * torch.arange(count, device=source.device)  # window at entry 0 of each pixel

    def sample(self, position: Tensor, radius: int, out: Tensor) -> None:
        """Positions [N] in entries -> ``out`` [N, offsets * C], each offset's channels side by side."""
        lower = position.floor()
        weight = (position - lower).to(out.dtype).unsqueeze(1)
        start = (lower - radius).nan_to_num_(0.0).clamp_(-self.taps, self.length).long()
        taken = self.windows.index_select(0, start.add_(self.first))
        torch.lerp(taken[:, : self.samples], taken[:, -self.samples :], weight, out=out)


def _correlation(left: Tensor, right: Tensor) -> Tensor:
    """`all_pairs_correlation` with the product in the features' own type: [B, C, H, W] -> [B, H, W, W']."""
    left, right = (F.normalize(feature.float(), dim=1).to(feature.dtype) for feature in (left, right))
    return left.permute(0, 2, 3, 1) @ right.permute(0, 2, 1, 3)


def _halve(source: Tensor) -> Tensor:
    """Average of neighbours along axis 3; an odd last entry is dropped."""
    even = source[..., : source.shape[3] // 2 * 2, :]
    return torch.add(even[..., 0::2, :], even[..., 1::2, :]).mul_(0.5)

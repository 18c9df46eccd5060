"""The disparity transformer of the cost aggregation, as the published weights need it.

Its attention is not along disparity: the authors hand (tokens, heads, head width) to scaled dot-product attention
without moving the heads aside, so each token's heads attend to one another (a heads x heads softmax) and tokens never
mix. Only the position added before tells disparities apart. Every operation is therefore local to one voxel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.specs import DisparityAttentionSpec


class HeadsAttention(nn.Module):
    """`FlashMultiheadAttention`: per token, a softmax over the heads. [..., C] -> [..., C]."""

    def __init__(self, spec: DisparityAttentionSpec) -> None:
        super().__init__()
        self.heads = spec.heads
        self.q_proj = nn.Linear(spec.channels, spec.embed_channels)
        self.k_proj = nn.Linear(spec.channels, spec.embed_channels)
        self.v_proj = nn.Linear(spec.channels, spec.embed_channels)
        self.out_proj = nn.Linear(spec.embed_channels, spec.channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._split(projection(x)) for projection in (self.q_proj, self.k_proj, self.v_proj))
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # [tokens, heads, heads]
        mixed = scores.float().softmax(dim=-1).to(v.dtype) @ v
        y: Tensor = self.out_proj(mixed.reshape(*x.shape[:-1], -1))
        return y

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(-1, self.heads, x.shape[-1] // self.heads)


class TransformerLayer(nn.Module):
    """Post-norm layer: attention, then a GELU feed-forward, each added to its input and normalised (eps 1e-5)."""

    def __init__(self, spec: DisparityAttentionSpec, hidden: int) -> None:
        super().__init__()
        self.self_attn = HeadsAttention(spec)
        self.linear1 = nn.Linear(spec.channels, hidden)
        self.linear2 = nn.Linear(hidden, spec.channels)
        self.norm1 = nn.LayerNorm(spec.channels)
        self.norm2 = nn.LayerNorm(spec.channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.self_attn(x))
        y: Tensor = self.norm2(x + self.linear2(F.gelu(self.linear1(x))))
        return y


class DisparityAttention(nn.Module):
    """`CostVolumeDisparityAttention`: adds a sinusoidal disparity position, then the layers ``sa``.

    Volume [B, C, D, H, W] -> same shape; raises `ParameterError` where D exceeds the positional table.
    """

    position: Tensor

    def __init__(self, spec: DisparityAttentionSpec) -> None:
        super().__init__()
        self.sa = nn.ModuleList(TransformerLayer(spec, hidden) for hidden in spec.feedforward)
        position = sinusoidal_position(spec.max_length, spec.channels)
        self.register_buffer("position", position, persistent=False)

    def forward(self, volume: Tensor) -> Tensor:
        length = volume.shape[2]
        if length > self.position.shape[0]:
            raise ParameterError(
                f"max_disparity {16 * length} px is beyond the positional table of these weights: "
                f"at most {16 * self.position.shape[0]} px"
            )
        x = volume.permute(0, 2, 3, 4, 1)  # [B, D, H, W, C]
        x = x + self.position[:length, None, None].to(volume.dtype)
        for layer in self.sa:
            x = layer(x)
        return x.permute(0, 4, 1, 2, 3)


def sinusoidal_position(length: int, channels: int) -> Tensor:
    """Table [length, channels]: sin(p w_j) at 2j, cos(p w_j) at 2j + 1, w_j = 10000^(-2j / channels)."""
    frequency = torch.exp(torch.arange(0, channels, 2) * (-math.log(10000.0) / channels))
    angle = torch.arange(length)[:, None] * frequency
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :channels]

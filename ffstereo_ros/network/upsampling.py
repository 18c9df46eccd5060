"""Convex upsampling: each full-resolution disparity is a learned weighting of its 3x3 quarter-resolution neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FACTOR = 4


def convex_upsample(disparity: Tensor, logits: Tensor, surface_radius: float | None = None) -> Tensor:
    """Disparity [B, 1, h, w] in quarter px, weights before softmax [B, 9, 4h, 4w] -> [B, 1, 4h, 4w] in full px.

    Neighbours in row-major order; outside the image they are zero. With ``surface_radius``, px, a pixel is the mean
    over one surface alone, see `surface_mean`, and outside the image its border goes on.
    """
    if surface_radius is None:
        return weighted_mean(windows(disparity, "constant"), logits)
    neighbours = windows(disparity, "replicate")
    B, _, h, w = neighbours.shape
    weights = _softmax(logits).view(B, 9, h, FACTOR, w, FACTOR).permute(0, 2, 4, 3, 5, 1).flatten(3, 4)
    means = surface_mean(weights, neighbours.permute(0, 2, 3, 1), surface_radius)
    return means.view(B, h, w, FACTOR, FACTOR).transpose(2, 3).reshape(B, 1, FACTOR * h, FACTOR * w)


def windows(disparity: Tensor, padding: str) -> Tensor:
    """Disparity [B, 1, h, w] in quarter px -> each one's 3x3 neighbours [B, 9, h, w] in full px, float32.

    ``padding`` outside the image: "constant" zeros, or "replicate".
    """
    B, _, h, w = disparity.shape
    padded = F.pad(FACTOR * disparity.float(), (1, 1, 1, 1), mode=padding)
    return F.unfold(padded, kernel_size=3).view(B, 9, h, w)


def weighted_mean(neighbours: Tensor, logits: Tensor) -> Tensor:
    """Neighbours [B, 9, h, w] in px, weights before softmax [B, 9, 4h, 4w] -> [B, 1, 4h, 4w] in px."""
    B, _, h, w = neighbours.shape
    weights = _softmax(logits).view(B, 9, h, FACTOR, w, FACTOR)
    return (weights * neighbours.view(B, 9, h, 1, w, 1)).sum(dim=1).reshape(B, 1, FACTOR * h, FACTOR * w)


def surface_mean(weights: Tensor, neighbours: Tensor, radius: float) -> Tensor:
    """Weights [..., pixels, 9], of any sum, and their neighbours [..., 9] in px -> [..., pixels], one surface's mean.

    Beside an edge the neighbours lie on two surfaces and the mean of all on neither. Here a pixel belongs to the
    neighbour that has most weight within ``radius``, and what lies farther from that one takes no part. Where all nine
    lie within ``radius`` of each other this is convex upsampling.
    """
    near = (neighbours.unsqueeze(-1) - neighbours.unsqueeze(-2)).abs() <= radius  # [..., 9, 9], symmetric
    mass = weights @ near.to(weights.dtype)
    chosen = mass.max(dim=-1, keepdim=True).indices  # [..., pixels, 1]; argmax takes longer on a CPU
    values = neighbours.unsqueeze(-2).expand_as(weights)
    kept = weights * ((values - values.gather(-1, chosen)).abs() <= radius)
    return (kept * values).sum(dim=-1) / kept.sum(dim=-1)


def _softmax(logits: Tensor) -> Tensor:
    # softmax copies twice what does not lie in planes
    return logits.to(torch.float32, memory_format=torch.contiguous_format).softmax(dim=1)

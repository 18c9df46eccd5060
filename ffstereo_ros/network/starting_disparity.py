"""From the matching distribution to the disparity that refinement starts from, and its left band."""

from __future__ import annotations

import torch
from torch import Tensor

_UNSEEN_MARGIN = 2.0  # quarter px; what lies nearer to the right image's border is matched with padding


def soft_argmax(logits: Tensor) -> Tensor:
    """Expected disparity of the matching distribution: [B, D, h, w] -> [B, 1, h, w] in quarter px, in float32."""
    values = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32)
    probability = logits.float().softmax(dim=1)
    return (probability * values.view(1, -1, 1, 1)).sum(dim=1, keepdim=True)


def local_soft_argmax(logits: Tensor, radius: int) -> Tensor:
    """As `soft_argmax`, over the ``radius`` bins on either side of the likeliest.

    Beside an edge the distribution has two peaks, and the mean of all bins lies on neither surface (the sub-pixel MAP
    approximation of Practical Deep Stereo, arXiv 1806.01677).
    """
    likeliest = logits.max(dim=1, keepdim=True).indices  # argmax takes three times as long on a CPU
    bins = likeliest + torch.arange(-radius, radius + 1, device=logits.device).view(1, -1, 1, 1)
    last = logits.shape[1] - 1
    near = logits.float().gather(1, bins.clamp(0, last)).masked_fill((bins < 0) | (bins > last), float("-inf"))
    return (near.softmax(dim=1) * bins).sum(dim=1, keepdim=True)


def continue_left_band(disparity: Tensor) -> Tensor:
    """Disparity [B, 1, h, w] in quarter px with the first one of each row that both cameras see continued to the left.

    Left of it points lie outside the right image (``x - d < 0``): no bin of theirs was matched with anything. No
    gradient flows through what is continued.
    """
    width = disparity.shape[3]
    columns = torch.arange(width, device=disparity.device, dtype=disparity.dtype).view(1, 1, 1, -1)
    fixed = disparity.detach()
    seen = columns - fixed >= _UNSEEN_MARGIN
    first = torch.where(seen, columns, float(width - 1)).amin(dim=3, keepdim=True)
    edge = fixed.gather(3, first.long())
    return torch.where(columns < first, edge, disparity)

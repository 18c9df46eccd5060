"""Starts for the refinement that are near the truth but wrong, as the last frame's disparity and aggregation's are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SHIFT = 3.0  # quarter px
_GAIN = 0.04
_FINEST, _COARSEST = 0.05, 1.5  # standard deviation of the bumps, quarter px
_CELLS = 6
_SPREADS = (-2, -1, 0, 0, 0, 0, 1, 2)  # quarter px; below 0 the background spreads


def disturbed_start(truth: Tensor, seed: int) -> Tensor | None:
    """What refinement may start from: the truth moved, stretched and bent, with edges that lie elsewhere.

    ``truth`` [B, 1, H, W] in px of the left image; the result is [B, 1, H/4, W/4] in quarter px, float32, or None where
    any truth is unknown. Each pair is moved by up to 3 quarter px either way (the scene a frame later), its disparity
    scaled by 1 +- 0.04 (the camera drove on), and bent by smooth bumps of 0.05 to 1.5 quarter px. In half of the pairs
    what is near, or what is far, spreads over its edges by 1 or 2 quarter px, as aggregation does to thin things.
    """
    quarter = truth[:, :, 2::4, 2::4].float() / 4
    if not bool(torch.isfinite(quarter).all()):
        return None
    random = torch.Generator().manual_seed(seed)
    batch, _, height, width = quarter.shape
    shift = (torch.rand(batch, 2, 1, generator=random) * 2 - 1) * _SHIFT
    affine = torch.cat((torch.eye(2).expand(batch, 2, 2), shift * torch.tensor([[2 / width], [2 / height]])), dim=2)
    grid = F.affine_grid(affine.to(quarter.device), list(quarter.shape), align_corners=False)
    moved = F.grid_sample(quarter, grid, mode="nearest", padding_mode="border", align_corners=False)
    moved = torch.stack([_spread(one, _SPREADS[torch.randint(len(_SPREADS), (), generator=random)]) for one in moved])
    gain = 1 + _GAIN * torch.randn(batch, 1, 1, 1, generator=random)
    sigma = _FINEST * (_COARSEST / _FINEST) ** torch.rand(batch, 1, 1, 1, generator=random)
    bumps = sigma * torch.randn(batch, 1, _CELLS, _CELLS, generator=random)
    bumps = F.interpolate(bumps, size=(height, width), mode="bicubic", align_corners=False)
    return (moved * gain.to(moved.device) + bumps.to(moved.device)).clamp_min(0)


def _spread(disparity: Tensor, reach: int) -> Tensor:
    """Disparity [1, h, w] with what is near, or far where ``reach`` is below 0, wider by that many quarter px."""
    if reach == 0:
        return disparity
    sign, size = (1.0, reach) if reach > 0 else (-1.0, -reach)
    return sign * F.max_pool2d(sign * disparity, 2 * size + 1, stride=1, padding=size)

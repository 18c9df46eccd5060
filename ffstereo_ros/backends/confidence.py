"""How sure the network is of a disparity, from its matching distribution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffstereo_ros.network.hierarchical import CoarseMatch, pad, unpad
from ffstereo_ros.network.model import StereoOutput


def matching_confidence(logits: Tensor, disparity: Tensor) -> Tensor:
    """The share of the matching distribution that lies at the final disparity.

    The distribution over the ``D`` quarter-resolution disparities is summed within one and a half bins (6 px) of the
    refined disparity, with a linear edge half a bin wide on either side. Near 1 the volume saw one match and the
    refinement agrees with it; it falls where several matches compete (repetition, blank walls), where none stands out
    (occlusion), and where the refinement has left the volume's answer. It ranks pixels; it is no calibrated
    probability.

    Args:
        logits: ``[B, D, h, w]`` before softmax.
        disparity: ``[B, 1, 4h, 4w]`` px, the final answer.

    Returns:
        ``[B, 1, 4h, 4w]`` float32 0..1.
    """
    D = logits.shape[1]
    quarter = F.avg_pool2d(disparity.float(), 4) / 4
    bins = torch.arange(D, device=logits.device, dtype=torch.float32).view(1, D, 1, 1)
    weight = (2.0 - (bins - quarter).abs()).mul(2.0).clamp(0.0, 1.0)
    share = (logits.float().softmax(dim=1) * weight).sum(dim=1, keepdim=True)
    return F.interpolate(share, scale_factor=4, mode="bilinear", align_corners=False).clamp(0.0, 1.0)


def hierarchical_confidence(output: StereoOutput, coarse: CoarseMatch) -> Tensor:
    """As `matching_confidence`; what lies beyond the reach of the full-size volume is judged by the half-size one.

    Args:
        output: of the full-size pass, whose sides are multiples of 32.

    Returns:
        ``[B, 1, 4h, 4w]`` float32 0..1.
    """
    half = F.avg_pool2d(output.disparity.float(), 2) / 2
    far_reaching = unpad(matching_confidence(coarse.logits, pad(half, coarse.margins)), coarse.margins)
    far_reaching = F.interpolate(far_reaching, scale_factor=2, mode="bilinear", align_corners=False)
    last = 4 * (output.logits.shape[1] - 1)  # px
    return torch.where(output.disparity > last, far_reaching, matching_confidence(output.logits, output.disparity))

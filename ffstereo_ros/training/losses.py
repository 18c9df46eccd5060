"""Losses: smooth L1 on the initial disparity, weighted L1 on the refinements, cross-entropy on the matching volume."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ffstereo_ros.network.model import StereoOutput

_ITERATION_DECAY = 0.9  # gamma of RAFT-Stereo (arXiv 2109.07547, equation 6) and FoundationStereo (arXiv 2501.09898)
_LAPLACE_BINS = 0.6
_NEARER = 1.5  # px


@dataclass(frozen=True)
class Losses:
    """Scalars; ``total`` is what is minimised; ``epe`` is the last refinement's mean error, px, without gradient."""

    total: Tensor
    initial: Tensor
    refinement: Tensor
    volume: Tensor
    epe: Tensor


def stereo_losses(output: StereoOutput, truth: Tensor, hidden_weight: float = 1.0) -> Losses:
    """Losses of a batch.

    ``truth`` [B, 1, H, W]: disparity in px of the left image, NaN = unknown. Truth beyond the volume's reach
    (4 D px) takes no part; occluded pixels do, those that something nearer hides with ``hidden_weight``.
    FoundationStereo's smooth L1 on the initial disparity is at full size; here it is at quarter resolution, where that
    disparity lives, which saves the memory traffic of upsampling it.
    """
    limit = 4.0 * (output.logits.shape[1] - 1)
    known = (truth >= 0) & (truth < limit)
    weight = known.float()
    if hidden_weight != 1:
        weight = weight * torch.where(hidden(truth), hidden_weight, 1.0)
    safe = torch.where(known, truth, torch.zeros_like(truth))
    quarter, quarter_weight = safe[:, :, 2::4, 2::4] / 4, weight[:, :, 2::4, 2::4]
    initial = _mean(F.smooth_l1_loss(output.initial_disparity, quarter, reduction="none"), quarter_weight)
    volume = volume_cross_entropy(output.logits, quarter, quarter_weight)
    differences = [(disparity - safe).abs() for disparity in output.iterations]
    errors = [_mean(difference, weight) for difference in differences]
    decays = [_ITERATION_DECAY ** (len(errors) - 1 - index) for index in range(len(errors))]
    refinement = torch.stack([decay * error for decay, error in zip(decays, errors)]).sum() / sum(decays)
    epe = _mean(differences[-1].detach(), known.float())
    return Losses(initial + refinement + volume, initial.detach(), refinement.detach(), volume.detach(), epe)


def hidden(truth: Tensor) -> Tensor:
    """Pixels whose place in the right image something nearer takes: disparity [B, 1, H, W] px -> bool of that shape.

    What lies beside the right image is not among them, nor are unknown pixels. Nearer is what has 1.5 px more: on a
    slanted surface two neighbours may share a right column.
    """
    column = torch.arange(truth.shape[3], dtype=torch.float32, device=truth.device)
    place = (column - truth).round()
    inside = place >= 0  # False where unknown
    index = torch.where(inside, place, 0.0).long().clamp(max=truth.shape[3] - 1)
    seen = torch.where(inside, truth, -1.0)
    nearest = torch.full_like(seen, -1.0).scatter_reduce(3, index, seen, "amax")
    return inside & (nearest.gather(3, index) > truth + _NEARER)


def volume_cross_entropy(logits: Tensor, quarter: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of logits [B, D, h, w] with a Laplace distribution (0.6 bins wide) around ``quarter`` [B, 1, h, w].

    Stable from the first step, where the gradient of a soft argmax alone is not: it says which bins are wrong. Follows
    the stereo focal loss of AcfNet (arXiv 1909.03751) without its focal weight.
    """
    bins = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32).view(1, -1, 1, 1)
    target = torch.softmax(-(bins - quarter).abs() / _LAPLACE_BINS, dim=1)
    entropy = -(target * torch.log_softmax(logits.float(), dim=1)).sum(dim=1, keepdim=True)
    return _mean(entropy, weight)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 where no pixel has weight."""
    return (values * weight).sum() / weight.sum().clamp_min(1.0)

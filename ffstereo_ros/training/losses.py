"""Losses: smooth L1 on the initial disparity, weighted L1 on the refinements, cross-entropy on the matching volume."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ffstereo_ros.network.model import StereoOutput

_ITERATION_DECAY = 0.9  # gamma of RAFT-Stereo (arXiv 2109.07547, equation 6) and FoundationStereo (arXiv 2501.09898)
_LAPLACE_BINS = 0.6
_ROBUST_PX = 4.0


@dataclass(frozen=True)
class Losses:
    """Scalars; ``total`` is what is minimised; ``epe`` is the last refinement's mean error, px, without gradient."""

    total: Tensor
    initial: Tensor
    refinement: Tensor
    volume: Tensor
    epe: Tensor


def stereo_losses(output: StereoOutput, truth: Tensor, volume_weight: float = 1.0, *, robust: bool = False) -> Losses:
    """Losses of a batch.

    ``truth`` [B, 1, H, W]: disparity in px of the left image, NaN = unknown. Truth beyond the volume's reach
    (4 D px) takes no part; occluded pixels do. FoundationStereo's smooth L1 on the initial disparity is at full size;
    here it is at quarter resolution, where that disparity lives, which saves the memory traffic of upsampling it.

    With ``robust`` an error e counts as c log(1 + |e| / c), c = 4 px: a further px costs half at 4 px, a sixth at 20.
    What nobody can know, such as a blank wall's distance, then no longer outweighs what is nearly right.
    """
    limit = 4.0 * (output.logits.shape[1] - 1)
    known = (truth >= 0) & (truth < limit)
    safe = torch.where(known, truth, torch.zeros_like(truth))
    quarter, quarter_known = safe[:, :, 2::4, 2::4] / 4, known[:, :, 2::4, 2::4]
    initial_error = F.smooth_l1_loss(output.initial_disparity, quarter, reduction="none")
    errors = [(disparity - safe).abs() for disparity in output.iterations]
    epe = _mean(errors[-1].detach(), known)
    if robust:
        initial_error = _robust(initial_error, _ROBUST_PX / 4)
        errors = [_robust(error, _ROBUST_PX) for error in errors]
    initial = _mean(initial_error, quarter_known)
    volume = volume_cross_entropy(output.logits, quarter, quarter_known)
    weights = [_ITERATION_DECAY ** (len(errors) - 1 - index) for index in range(len(errors))]
    weighted = [weight * _mean(error, known) for weight, error in zip(weights, errors)]
    refinement = torch.stack(weighted).sum() / sum(weights)
    total = initial + refinement + volume_weight * volume
    return Losses(total, initial.detach(), refinement.detach(), volume.detach(), epe)


def volume_cross_entropy(logits: Tensor, quarter: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of logits [B, D, h, w] with a Laplace distribution (0.6 bins wide) around ``quarter`` [B, 1, h, w].

    Stable from the first step, where the gradient of a soft argmax alone is not: it says which bins are wrong. Follows
    the stereo focal loss of AcfNet (arXiv 1909.03751) without its focal weight.
    """
    bins = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32).view(1, -1, 1, 1)
    target = torch.softmax(-(bins - quarter).abs() / _LAPLACE_BINS, dim=1)
    entropy = -(target * torch.log_softmax(logits.float(), dim=1)).sum(dim=1, keepdim=True)
    return _mean(entropy, known)


def _robust(error: Tensor, scale: float) -> Tensor:
    """As large as ``error`` where that is small, and growing as its logarithm where it is large beside ``scale``."""
    return scale * torch.log1p(error / scale)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean over known pixels; 0 where there are none."""
    weight = known.float()
    return (values * weight).sum() / weight.sum().clamp_min(1.0)

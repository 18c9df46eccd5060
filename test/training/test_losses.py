"""Losses: what they ignore, what they reward, and that the paper's weighting is the one used."""

from __future__ import annotations

import math

import pytest
import torch

from ffstereo_ros.network.model import StereoOutput
from ffstereo_ros.training.losses import stereo_losses, volume_cross_entropy


def _output(disparity: float, bins: int = 16, height: int = 8, width: int = 12) -> StereoOutput:
    """An answer of one disparity everywhere, px, given with certainty."""
    logits = torch.zeros(1, bins, height // 4, width // 4)
    logits[:, round(disparity / 4)] = 20.0
    full = torch.full((1, 1, height, width), disparity)
    return StereoOutput(full, full[:, :, ::4, ::4] / 4, logits, (full, full))


def test_right_answer_costs_only_the_spread_of_the_target() -> None:
    truth = torch.full((1, 1, 8, 12), 20.0)
    right, wrong = stereo_losses(_output(20.0), truth), stereo_losses(_output(28.0), truth)
    assert right.initial == 0
    assert right.refinement == 0
    assert wrong.refinement == pytest.approx(8.0)
    assert wrong.initial == pytest.approx(1.5)  # 2 quarter px off: |2| - 0.5
    assert right.volume < wrong.volume


def test_later_iterations_weigh_more() -> None:
    truth = torch.full((1, 1, 8, 12), 20.0)
    output = _output(20.0)
    bad, good = torch.full_like(truth, 30.0), truth
    early = stereo_losses(StereoOutput(good, truth[:, :, ::4, ::4] / 4, output.logits, (bad, good)), truth)
    late = stereo_losses(StereoOutput(bad, truth[:, :, ::4, ::4] / 4, output.logits, (good, bad)), truth)
    assert early.refinement == pytest.approx(10 * 0.9 / 1.9)
    assert late.refinement == pytest.approx(10 / 1.9)


def test_a_robust_loss_counts_large_errors_little_and_small_ones_whole() -> None:
    truth = torch.full((1, 1, 8, 12), 20.0)
    near, far = (stereo_losses(_output(20.0 + error), truth, robust=True) for error in (0.04, 40.0))
    assert near.refinement == pytest.approx(0.04, rel=0.01)
    assert far.refinement == pytest.approx(4 * math.log(11))
    assert far.initial == pytest.approx(math.log(1 + 9.5))
    assert far.epe == pytest.approx(40.0)  # what is reported stays the error


def test_unknown_and_unreachable_truth_takes_no_part() -> None:
    truth = torch.full((1, 1, 8, 12), 20.0)
    truth[..., :4] = float("nan")
    truth[..., 4:8] = 500.0
    losses = stereo_losses(_output(20.0), truth)
    assert losses.refinement == 0
    assert torch.isfinite(losses.total)
    nothing = stereo_losses(_output(20.0), torch.full_like(truth, float("nan")))
    assert nothing.total == 0


def test_cross_entropy_is_least_at_the_target() -> None:
    quarter, known = torch.full((1, 1, 2, 2), 5.3), torch.ones(1, 1, 2, 2, dtype=torch.bool)
    bins = torch.arange(16.0).view(1, -1, 1, 1).expand(1, 16, 2, 2)
    costs = [float(volume_cross_entropy(-(bins - centre).abs() / 0.6, quarter, known)) for centre in (4.3, 5.3, 6.3)]
    assert costs[1] < costs[0]
    assert costs[1] < costs[2]

"""What refinement starts from: the likelier of two surfaces, and a left band that continues what is beside it."""

from __future__ import annotations

import pytest
import torch

from ffstereo_ros.network.starting_disparity import continue_left_band, local_soft_argmax, soft_argmax


def test_a_local_start_lies_on_the_likelier_of_two_surfaces() -> None:
    logits = torch.full((1, 24, 1, 2), -20.0)
    logits[0, [4, 5], 0, 0] = torch.tensor([3.0, 3.0])  # a surface at 4.5, and a fainter one at 18
    logits[0, 18, 0, 0] = 2.9
    logits[0, [0, 1], 0, 1] = torch.tensor([3.0, 1.0])  # at the end of the range
    start, mean = local_soft_argmax(logits, 2)[0, 0, 0].tolist(), soft_argmax(logits)[0, 0, 0].tolist()
    assert start[0] == pytest.approx(4.5, abs=1e-3)
    assert mean[0] > 8
    assert start[1] == pytest.approx(mean[1], abs=1e-3)


def test_a_local_start_teaches_the_bins_it_is_made_of_alone() -> None:
    logits = torch.randn(1, 16, 3, 4, requires_grad=True)
    local_soft_argmax(logits, 2).sum().backward()
    assert logits.grad is not None
    near = (torch.arange(16).view(1, -1, 1, 1) - logits.argmax(dim=1, keepdim=True)).abs() <= 2
    assert torch.equal(logits.grad != 0, near)


def test_what_the_right_camera_misses_continues_what_it_sees() -> None:
    disparity = torch.full((2, 1, 3, 20), 6.0)
    disparity[..., :8] = 11.0  # x - d < 2: seen by the left camera alone
    disparity[0, 0, 1] = torch.linspace(3.0, 4.0, 20)  # seen from column 6 on
    disparity[1, 0, 2, 12:] = 15.0  # a near thing further right stays
    expected = disparity.clone()
    expected[..., :8] = 6.0
    expected[0, 0, 1, :6] = disparity[0, 0, 1, 6]
    expected[0, 0, 1, 6:] = disparity[0, 0, 1, 6:]
    assert torch.equal(continue_left_band(disparity), expected)


def test_a_row_that_nothing_is_seen_of_takes_its_last_column() -> None:
    disparity = torch.full((1, 1, 1, 8), 30.0)
    disparity[..., -1] = 20.0
    assert torch.equal(continue_left_band(disparity), torch.full((1, 1, 1, 8), 20.0))


def test_the_continued_band_teaches_nothing() -> None:
    disparity = torch.full((1, 1, 1, 12), 4.0, requires_grad=True)
    continue_left_band(disparity).sum().backward()
    assert disparity.grad is not None
    assert disparity.grad.flatten().tolist() == [0.0] * 6 + [1.0] * 6

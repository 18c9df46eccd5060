"""Disturbed starts: near the truth, never on it, the same for the same seed."""

from __future__ import annotations

import pytest
import torch

from ffstereo_ros.training.disturbed import _spread, disturbed_start


def _step(height: int = 96, width: int = 160) -> torch.Tensor:
    truth = torch.full((4, 1, height, width), 20.0)
    truth[..., width // 2 :] = 60.0
    return truth


def test_is_near_the_truth_and_off_it() -> None:
    truth = _step()
    start = disturbed_start(truth, 1)
    assert start is not None
    assert start.shape == (4, 1, 24, 40)
    error = (start - truth[:, :, 2::4, 2::4] / 4).abs()
    assert 0.1 < float(error.mean()) < 3.0
    assert float(start.min()) >= 0
    edges = error[..., 16:24].flatten(1).amax(1)  # moved by up to 3 quarter px: the step of 10 lies elsewhere
    assert float(edges.max()) > 5


def test_seed_decides() -> None:
    truth = _step()
    starts = [disturbed_start(truth, seed) for seed in (1, 1, 2)]
    first, again, other = (start for start in starts if start is not None)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("reach", "wide"), [(-2, 0), (-1, 1), (0, 3), (1, 5), (2, 7)])
def test_what_is_near_spreads_or_wears(reach: int, wide: int) -> None:
    disparity = torch.zeros(1, 9, 20)
    disparity[..., 8:11] = 5.0
    spread = _spread(disparity, reach)
    assert torch.equal((spread == 5.0).sum(-1), torch.full((1, 9), wide))
    assert set(spread.unique().tolist()) <= {0.0, 5.0}


def test_no_start_where_truth_is_unknown() -> None:
    truth = _step()
    truth[0, 0, 2, 2] = float("nan")
    assert disturbed_start(truth, 1) is None

"""A frame starts from the last where little moved, and anew otherwise; fewer iterations then do where they converge."""

from __future__ import annotations

import numpy as np
import pytest
from halving_backend import HalvingBackend

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.core.warm_start import WarmStart
from ffstereo_ros.errors import BackendError

SHAPE = (40, 60)
IMAGE = np.full((*SHAPE, 3), 100, np.uint8)


def _errors(iterations: int, frames: int, warm: bool) -> list[float]:
    matcher, start = StereoMatcher(HalvingBackend(iterations)), WarmStart()
    results = [start.match(matcher, IMAGE, IMAGE) if warm else matcher.match(IMAGE, IMAGE) for _ in range(frames)]
    return [float(np.abs(result.disparity - 16).mean()) for result in results]


def test_fewer_iterations_reach_the_same_error_where_they_converge() -> None:
    assert _errors(2, 4, warm=True) == pytest.approx([4, 1, 0.25, 0.0625])
    assert _errors(2, 4, warm=True)[-1] == _errors(8, 1, warm=False)[-1]
    assert _errors(2, 4, warm=False) == [4] * 4


@pytest.mark.parametrize(("columns", "anew"), [(2, False), (20, True)])
def test_motion_starts_anew(columns: int, anew: bool) -> None:
    backend, start = HalvingBackend(1), WarmStart()
    start.match(StereoMatcher(backend), IMAGE, IMAGE)
    moved = IMAGE.copy()
    moved[:, :columns] = 200
    start.match(StereoMatcher(backend), moved, moved)
    assert (backend.starts[-1] is None) is anew


def test_what_moved_and_its_surroundings_start_anew() -> None:
    """Eight px around it: an obstacle's blank inside may look like what was there before."""
    backend, start = HalvingBackend(1), WarmStart()
    image = np.full((120, 160, 3), 100, np.uint8)
    first = start.match(StereoMatcher(backend), image, image).raw_disparity
    moved = image.copy()
    moved[40:60, 80:100] = 200
    moved[45:55, 85:95] = 100  # a frame, with nothing new inside
    start.match(StereoMatcher(backend), moved, moved)
    given = backend.starts[-1]
    anew = np.isnan(given)
    assert anew[32:68, 72:108].all()
    assert anew.sum() < 42 * 42  # the mean that takes the noise away adds 2 px on either side
    assert np.array_equal(given[~anew], first[~anew])


@pytest.mark.parametrize("forget", ["reset", "size", "failure"])
def test_what_else_starts_anew(forget: str) -> None:
    backend, start = HalvingBackend(1), WarmStart()
    matcher = StereoMatcher(backend)
    start.match(matcher, IMAGE, IMAGE)
    larger = np.full((48, 60, 3), 100, np.uint8)
    if forget == "reset":
        start.reset()
    elif forget == "failure":
        backend.fails = True
        with pytest.raises(BackendError):
            start.match(matcher, IMAGE, IMAGE)
        backend.fails = False
    start.match(matcher, larger if forget == "size" else IMAGE, larger if forget == "size" else IMAGE)
    assert backend.starts[-1] is None
    start.match(matcher, larger if forget == "size" else IMAGE, larger if forget == "size" else IMAGE)
    assert backend.starts[-1] is not None

"""A camera that stands still: its frames differ in noise alone, and a start from the last one is what is judged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from halving_backend import HalvingBackend

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.evaluation.layouts import find_scenes
from ffstereo_ros.evaluation.scenes import Scene
from ffstereo_ros.evaluation.steady_camera import SETTLING, WarmFigures, measure_scene, noisy_frames

TRUTH = 16.0  # px


def a_scene(folder: Path, *, truth: bool = True) -> Scene:
    folder.mkdir(parents=True)
    grey = np.full((48, 64, 3), 128, np.uint8)
    for name in ("left", "right"):
        cv2.imwrite(str(folder / f"{name}.png"), grey)
    if truth:
        cv2.imwrite(str(folder / "disp.png"), np.full((48, 64), 256 * TRUTH, np.uint16))
    return find_scenes(folder)[0]


def test_cold_frames_start_from_nothing_and_warm_ones_where_the_last_ended(tmp_path: Path) -> None:
    figures = WarmFigures()
    measure_scene(StereoMatcher(HalvingBackend(1)), a_scene(tmp_path / "scene"), SETTLING + 2, 2.0, figures)
    assert figures.cold[0]["epe"] == TRUTH / 2
    halved = [TRUTH / 2 ** (n + 1) for n in (SETTLING, SETTLING + 1)]
    assert figures.warm[0]["epe"] == pytest.approx(np.mean(halved))
    assert len(figures.cold_seconds) == len(figures.warm_seconds) == 2


def test_frames_differ_in_noise_of_the_strength_asked_for(tmp_path: Path) -> None:
    data = a_scene(tmp_path / "scene").load()
    (left, right), (later, _) = noisy_frames(data, 2, 4.0)
    for one, other in ((left, right), (left, later)):
        apart = one.astype(float) - other.astype(float)
        assert apart.mean() == pytest.approx(0, abs=0.3)
        assert apart.std() == pytest.approx(4 * np.sqrt(2), rel=0.05)
    again, _ = next(iter(noisy_frames(data, 1, 4.0)))
    assert np.array_equal(left, again)


def test_a_scene_without_truth_adds_nothing(tmp_path: Path) -> None:
    figures = WarmFigures()
    measure_scene(StereoMatcher(HalvingBackend(1)), a_scene(tmp_path / "scene", truth=False), 6, 2.0, figures)
    assert figures == WarmFigures()


@pytest.mark.parametrize(("frames", "noise"), [(SETTLING, 1.0), (SETTLING + 1, -1.0)])
def test_what_cannot_be_judged_is_refused(frames: int, noise: float, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=f"{frames} frames with noise of {noise:g} grey levels"):
        measure_scene(StereoMatcher(HalvingBackend(1)), a_scene(tmp_path / "scene"), frames, noise, WarmFigures())

"""A result on a device says what the same answer says in NumPy, and computes and copies what is asked for alone."""

from __future__ import annotations

import gc
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffstereo_ros.backends import device_maps
from ffstereo_ros.backends.device_maps import DeviceTables
from ffstereo_ros.backends.device_result import DeviceAnswer, DeviceResult, Workplace
from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.filters.chain import FilterChain, FilterSettings
from ffstereo_ros.core.frame import plan_frame
from ffstereo_ros.core.geometry import points_from_depth
from ffstereo_ros.core.matcher import BackendAnswer, HostResult, StereoMatcher
from ffstereo_ros.errors import ImageError

CPU = torch.device("cpu")
MAX_DISPARITY = 40.0


class Stages:
    """Counts the stages, and knows whether one is open."""

    def __init__(self):
        self.count, self.open = 0, False

    @contextmanager
    def __call__(self):
        assert not self.open
        self.count, self.open = self.count + 1, True
        with torch.inference_mode():
            yield
        self.open = False


def maps_of(shape, seed, *, masked=True):
    """Disparity and confidence ``[2, h, w]``: with ``masked``, some unanswered, negative and beyond the range."""
    rng = np.random.default_rng(seed)
    maps = np.stack((rng.uniform(1, 30, shape), rng.uniform(0, 1, shape))).astype(np.float32)
    if masked:
        maps[0, rng.random(shape) < 0.1] = np.nan
        maps[0, rng.random(shape) < 0.1] = -3.0
        maps[0, rng.random(shape) < 0.1] = 400.0
    return maps


def results_of(planned, maps, stages=None):
    """The same answer twice: in NumPy and on a device."""
    workplace = Workplace(DeviceTables(CPU), stages or Stages())
    answers = BackendAnswer(*maps), DeviceAnswer(torch.from_numpy(maps.copy()), workplace)
    return [each.restore(planned, max_disparity=MAX_DISPARITY, infer_seconds=0.25) for each in answers]


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        plan_frame,
        st.integers(32, 80),
        st.integers(32, 80),
        scale=st.sampled_from([0.5, 1.0, 1.5, 1.7]),
        multiple=st.sampled_from([1, 32]),
    ),
    st.sampled_from([0.0, 5.0]),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_every_figure_is_that_of_numpy(planned, cx_offset, stride, masked, seed):
    host, ours = results_of(planned, maps_of(planned.model_shape, seed, masked=masked))
    camera = StereoCamera(planned.width, planned.height, 90.0, 91.0, 30.0, 30.0 + cx_offset, 20.0, 0.1)
    limits = {"min_depth": 0.3, "max_depth": 4.0}
    for name in ("disparity", "confidence", "raw_disparity"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(host, name))
    assert ours.negative_fraction == host.negative_fraction
    assert (ours.max_disparity, ours.infer_seconds) == (host.max_disparity, host.infer_seconds)
    np.testing.assert_array_equal(ours.depth(camera, **limits), host.depth(camera, **limits))
    np.testing.assert_array_equal(ours.depth(camera), host.depth(camera))
    rgb = np.random.default_rng(seed).integers(0, 256, (planned.height, planned.width, 3), dtype=np.uint8)
    points = ours.packed_points(camera, rgb, stride=stride, **limits)
    expected = points_from_depth(host.depth(camera, **limits), camera)[::stride, ::stride]
    np.testing.assert_array_equal(points[..., :3], expected)
    np.testing.assert_array_equal(
        points.view(np.uint8).reshape(*points.shape[:2], 16)[..., 14:11:-1], rgb[::stride, ::stride]
    )
    assert host.packed_points(camera, rgb, stride=stride, **limits) is None


@pytest.fixture
def copies(monkeypatch):
    """Shapes of what was copied to the host."""
    shapes, copy = [], device_maps.to_host

    def counted(values):
        shapes.append(tuple(values.shape))
        return copy(values)

    monkeypatch.setattr("ffstereo_ros.backends.device_result.to_host", counted)
    return shapes


def test_what_is_asked_for_is_copied_once_and_nothing_else(copies):
    planned, stages = plan_frame(40, 50, scale=1.5, multiple=32), Stages()
    _, result = results_of(planned, maps_of(planned.model_shape, 0), stages)
    assert (copies, stages.count) == ([], 0)
    assert result.disparity is result.disparity
    assert copies == [(40, 50)]
    camera = StereoCamera(50, 40, 90.0, 90.0, 25.0, 25.0, 20.0, 0.1)
    image = np.zeros((40, 50, 3), np.uint8)
    result.packed_points(camera, image, stride=3, min_depth=0.0, max_depth=9.0)
    assert copies[1:] == [(14, 17, 4)]
    assert result.negative_fraction == result.negative_fraction > 0
    assert copies[2:] == [(2,)]
    assert stages.count == 3


def test_each_array_is_its_receivers_alone():
    planned = plan_frame(32, 32)
    _, result = results_of(planned, maps_of(planned.model_shape, 0, masked=False))
    raw, depth = result.raw_disparity.copy(), result.depth(camera := StereoCamera(32, 32, 9.0, 9.0, 1.0, 1.0, 1.0, 0.1))
    result.disparity[...] = depth[...] = 0
    np.testing.assert_array_equal(result.raw_disparity, raw)
    assert result.depth(camera).any()


def test_filters_go_on_with_what_was_copied():
    planned = plan_frame(40, 50, scale=1.5, multiple=32)
    results = results_of(planned, maps_of(planned.model_shape, 0))
    image = np.zeros((40, 50, 3), np.uint8)
    chain = FilterChain(FilterSettings(roi_x=8, confidence_threshold=0.3), StereoMatcher.__new__(StereoMatcher))
    host, ours = (chain.apply(each, image, image).result for each in results)
    assert isinstance(ours, HostResult)
    np.testing.assert_array_equal(ours.raw_disparity, results[1].raw_disparity)
    for name in ("disparity", "confidence", "raw_disparity"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(host, name))
    assert ours.negative_fraction == host.negative_fraction
    assert (
        FilterChain(FilterSettings(), StereoMatcher.__new__(StereoMatcher)).apply(results[1], image, image).result
        is results[1]
    )


def test_a_failure_is_not_remembered():
    planned, fails = plan_frame(32, 32), [True]

    @contextmanager
    def stage():
        if fails.pop() if fails else False:
            raise RuntimeError("full")
        yield

    answer = DeviceAnswer(torch.from_numpy(maps_of((32, 32), 0)), Workplace(DeviceTables(CPU), stage))
    result = answer.restore(planned, max_disparity=MAX_DISPARITY, infer_seconds=0.0)
    with pytest.raises(RuntimeError, match="full"):
        _ = result.disparity
    assert result.disparity.shape == (32, 32)


def test_other_sizes_are_refused():
    planned = plan_frame(32, 40)
    answer = DeviceAnswer(torch.zeros(2, 8, 8), Workplace(DeviceTables(CPU), Stages()))
    with pytest.raises(ImageError, match=r"answered \[8, 8\] px for an input of \[32, 40\] px"):
        answer.restore(planned, max_disparity=64.0, infer_seconds=0.0)
    _, result = results_of(planned, maps_of((32, 40), 0))
    camera, image = StereoCamera(3, 3, 9.0, 9.0, 1.0, 1.0, 1.0, 0.1), np.zeros((32, 40, 3), np.uint8)
    with pytest.raises(ImageError, match="40x32 px but the camera is 3x3"):
        result.depth(camera)
    with pytest.raises(ImageError, match="40x32 px but the camera is 3x3"):
        result.packed_points(camera, image, stride=1, min_depth=0.0, max_depth=9.0)


def test_a_result_is_freed_with_its_last_holder():
    """Not left to the garbage collector: each frame would add its maps to the GPU's memory."""
    planned = plan_frame(32, 40, scale=1.5)
    _, result = results_of(planned, maps_of(planned.model_shape, 0))
    assert isinstance(result, DeviceResult)
    gone, kept = weakref.ref(result), result.disparity
    gc.disable()
    try:
        del result
        assert gone() is None
    finally:
        gc.enable()
    assert kept.shape == (32, 40)

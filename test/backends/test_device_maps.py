"""Tensors give the bits that NumPy gives: any size, scale, padding, camera and stride, beside NaN and at limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_gpu import pretend, pretend_gpu

from ffstereo_ros.backends import device_maps
from ffstereo_ros.backends.device_maps import DeviceTables
from ffstereo_ros.core import frame, geometry, validity
from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.frame import plan_frame
from ffstereo_ros.errors import ImageError

CPU = torch.device("cpu")
SCALES = st.one_of(st.sampled_from([0.5, 1.0, 1.5]), st.floats(0.125, 4.0))
GEOMETRIES = st.builds(
    plan_frame, st.integers(1, 90), st.integers(1, 90), scale=SCALES, multiple=st.sampled_from([1, 8, 32])
)
SEEDS = st.integers(0, 2**32 - 1)


def rough_map(shape, seed):
    """Smooth stretches, edges, unknown and impossible values: what bilinear and nearest must tell apart."""
    rng = np.random.default_rng(seed)
    values = np.add.outer(np.linspace(0, 9, shape[0]), np.linspace(3, 40, shape[1])) + rng.uniform(0, 1.5, shape)
    values[rng.random(shape) < 0.1] += 20
    for value, share in ((np.nan, 0.05), (-2.0, 0.03), (0.0, 0.02), (-0.0, 0.02), (1e-42, 0.02), (np.inf, 0.01)):
        values[rng.random(shape) < share] = value
    return values.astype(np.float32)


def camera_of(shape, cx_offset=0.0):
    return StereoCamera(shape[1], shape[0], 123.4, 119.7, shape[1] / 3, shape[1] / 3 + cx_offset, shape[0] / 2, 0.193)


def check_bits(ours, expected):
    """Equal to the last bit and the sign of zero; one NaN is as good as another."""
    ours, both = np.asarray(ours), np.isnan(expected)
    assert (ours.dtype, ours.shape) == (np.float32, expected.shape)
    np.testing.assert_array_equal(np.isnan(ours), both)
    np.testing.assert_array_equal(ours.copy().view(np.uint32)[~both], expected.copy().view(np.uint32)[~both])


@settings(max_examples=200, deadline=None)
@given(GEOMETRIES, SEEDS)
def test_maps_come_back_to_the_users_pixels(planned, seed):
    values, tables = rough_map(planned.model_shape, seed), DeviceTables(CPU)
    with np.errstate(invalid="ignore"):
        expected = frame.restore_map(values, planned), frame.restore_disparity(values, planned)
    check_bits(device_maps.restore_map(torch.from_numpy(values), planned, tables), expected[0])
    check_bits(device_maps.restore_disparity(torch.from_numpy(values), planned, tables), expected[1])


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_an_answer_of_another_size_is_refused(scale):
    with pytest.raises(ImageError, match=r"answered \[4, 4\] px for an input of \["):
        device_maps.restore_map(torch.zeros(4, 4), plan_frame(40, 50, scale=scale), DeviceTables(CPU))


@pytest.mark.parametrize("max_disparity", [64.0, 64 / 1.5, 0.1 + 0.2])
def test_known_is_what_can_be_a_disparity(max_disparity):
    limit = np.float32(max_disparity + 1.0)
    ends = (np.nextafter(limit, np.float32(0)), limit, np.nextafter(limit, np.float32(1e3)))
    values = np.float32([[np.nan, -1e-45, -0.0, 0.0, *ends, np.inf, -np.inf]])
    known = validity.known_mask(values, max_disparity=max_disparity)
    mask = device_maps.known_mask(torch.from_numpy(values), max_disparity=max_disparity)
    np.testing.assert_array_equal(mask.numpy(), known == 255)
    for otherwise in (0.0, float("nan")):
        expected = validity.keep(values, known, otherwise=otherwise)
        check_bits(device_maps.keep(torch.from_numpy(values), mask, otherwise=otherwise), expected)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.one_of(st.sampled_from([0.0, 3.0, -3.0]), st.floats(-50, 50)),
    st.sampled_from([(0.0, 1000.0), (0.3, 2.7), (geometry.NEAREST, geometry.FARTHEST)]),
    SEEDS,
)
def test_depth_is_the_same(shape, cx_offset, limits, seed):
    disparity, camera = rough_map(shape, seed), camera_of(shape, cx_offset)
    expected = geometry.depth_from_disparity(disparity, camera, min_depth=limits[0], max_depth=limits[1])
    ours = device_maps.depth_from_disparity(
        torch.from_numpy(disparity), camera, min_depth=limits[0], max_depth=limits[1]
    )
    check_bits(ours, expected)


@pytest.mark.parametrize("limit", [0.3, 2.7, 0.1 + 0.2])
def test_a_depth_at_a_limit_stays(limit):
    camera = StereoCamera(3, 1, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    at = np.float32(limit)
    disparity = (1 / np.float32([[np.nextafter(at, np.float32(0)), at, np.nextafter(at, np.float32(9))]])).astype("f4")
    for low, high in ((limit, 9.0), (0.0, limit)):
        expected = geometry.depth_from_disparity(disparity, camera, min_depth=low, max_depth=high)
        assert 1 <= np.isnan(expected).sum() <= 2
        ours = device_maps.depth_from_disparity(torch.from_numpy(disparity), camera, min_depth=low, max_depth=high)
        check_bits(ours, expected)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("shape", [(48, 64), (61, 35), (1, 1)])
def test_points_and_colours(shape, stride):
    camera, rng = camera_of(shape, 3.0), np.random.default_rng(1)
    depth = geometry.depth_from_disparity(rough_map(shape, 1), camera)
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    rgb[0, 0], rgb[-1, -1] = 255, (0, 0, 1)  # a NaN with a fourth byte of 255; the smallest denormal
    colours = device_maps.to_device(rgb[::stride, ::stride], CPU)
    rays = DeviceTables(CPU).rays(camera, stride)
    points = device_maps.packed_points(torch.from_numpy(depth[::stride, ::stride]), colours, *rays).numpy()
    check_bits(points[..., :3], geometry.points_from_depth(depth, camera)[::stride, ::stride])
    packed = points[..., 3].copy().view(np.uint32)
    given_back = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1)
    np.testing.assert_array_equal(given_back, rgb[::stride, ::stride])


def test_tables_are_made_once_for_each_geometry_and_camera():
    tables, camera = DeviceTables(CPU), camera_of((40, 50))
    first, other = (plan_frame(40, 50, scale=scale, multiple=32) for scale in (1.5, 0.5))
    assert tables.sampling(first) is tables.sampling(plan_frame(40, 50, scale=1.5, multiple=32))
    assert tables.sampling(first) is not tables.sampling(other)
    assert tables.rays(camera, 1) is tables.rays(camera_of((40, 50)), 1)
    assert tables.rays(camera, 1) is not tables.rays(camera, 2)


def test_an_image_is_copied_whatever_its_memory():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    image.setflags(write=False)
    view = image[:, 3:20][::2, ::-1]
    np.testing.assert_array_equal(device_maps.to_device(view, CPU).numpy(), view)


def test_what_comes_to_the_host_is_its_receivers():
    there = torch.arange(6.0).reshape(2, 3)
    here = device_maps.to_host(there[:, ::2])
    there.zero_()
    assert here.tolist() == [[0, 2], [3, 5]]


def pretended(tables):
    """Tables that say they are on a GPU."""
    made = DeviceTables(CPU)
    tables.sampling = lambda planned: device_maps.Sampling(
        *(
            device_maps.DeviceTaps(*(pretend(each) for each in vars(axis).values()))
            for axis in (made.sampling(planned).rows, made.sampling(planned).columns)
        ),
        pretend(made.sampling(planned).scale),
    )
    tables.rays = lambda camera, stride: tuple(pretend(each) for each in made.rays(camera, stride))
    return tables


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_on_a_gpu_nothing_crosses_between_restoring_and_points(scale):
    planned = plan_frame(61, 90, scale=scale, multiple=32)
    with pretend_gpu():
        tables = pretended(DeviceTables(torch.device("cuda")))
        raw = device_maps.restore_disparity(torch.empty(planned.model_shape, device="cuda"), planned, tables)
        disparity = device_maps.keep(raw, device_maps.known_mask(raw, max_disparity=64.0))
        camera = camera_of((61, 90), 3.0)
        depth = device_maps.depth_from_disparity(disparity, camera, min_depth=0.0, max_depth=9.0)
        colours = torch.empty(61, 90, 3, dtype=torch.uint8, device="cuda")
        points = device_maps.packed_points(depth, colours, *tables.rays(camera, 1))
    assert (tuple(points.shape), points.dtype, points.device.type) == ((61, 90, 4), torch.float32, "cuda")

"""Any size, scale and padding come back exactly: the properties that metric depth rests on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffstereo_ros.core.frame import (
    disparity_to_model,
    plan_frame,
    prepare_pair,
    restore_disparity,
    restore_map,
    to_model,
)
from ffstereo_ros.errors import ImageError, ParameterError

SIDES = st.integers(1, 150)
SCALES = st.one_of(st.sampled_from([0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0]), st.floats(0.125, 4.0))
MULTIPLES = st.sampled_from([1, 8, 16, 32])


def model_grid(geometry):
    """The user's x and y, px, at every model pixel."""
    rows, columns = geometry.model_shape
    x = (np.arange(columns) - geometry.pad_left + 0.5) / geometry.scale - 0.5
    y = (np.arange(rows) - geometry.pad_top + 0.5) / geometry.scale - 0.5
    return x[None, :], y[:, None]


@settings(max_examples=200, deadline=None)
@given(SIDES, SIDES, SCALES, MULTIPLES)
def test_a_planar_disparity_comes_back_exactly(height, width, scale, multiple):
    geometry = plan_frame(height, width, scale=scale, multiple=multiple)
    x, y = model_grid(geometry)
    of_user = lambda x, y: 40.0 + 0.3 * x - 0.2 * y  # noqa: E731
    restored = restore_disparity((scale * of_user(x, y)).astype(np.float32), geometry)
    truth = of_user(np.arange(width)[None, :], np.arange(height)[:, None])
    # Worst seen over 20,000 draws: 2.0e-5 px, the rounding of float32 at 150 px and scale 0.125.
    np.testing.assert_allclose(restored, truth, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, SCALES, MULTIPLES)
def test_shapes_are_multiples_and_cover_the_image(height, width, scale, multiple):
    geometry = plan_frame(height, width, scale=scale, multiple=multiple)
    rows, columns = geometry.model_shape
    assert rows % multiple == 0
    assert columns % multiple == 0
    assert min(geometry.pad_top, geometry.pad_bottom, geometry.pad_left, geometry.pad_right) >= 0
    assert geometry.pad_bottom - geometry.pad_top in (0, 1)
    assert geometry.pad_right - geometry.pad_left in (0, 1)
    x, y = model_grid(geometry)
    for axis, length in ((x, width), (y, height)):
        assert axis.min() <= 1e-6
        assert axis.max() >= length - 1 - 1e-6
    assert to_model(np.zeros((height, width, 3), np.uint8), geometry).shape == (rows, columns, 3)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, MULTIPLES, st.integers(0, 2**32 - 1))
def test_at_scale_one_every_pixel_comes_back_bit_for_bit(height, width, multiple, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    geometry = plan_frame(height, width, multiple=multiple)
    model = to_model(image, geometry)
    for channel in range(3):
        back = restore_map(model[..., channel].astype(np.float32), geometry)
        np.testing.assert_array_equal(back, image[..., channel])


@pytest.mark.parametrize("scale", [0.2, 0.25, 0.4, 0.5, 0.8, 1.7, 3.0])
def test_the_image_lands_where_the_geometry_says(scale):
    """A linear ramp survives every resampling, so its value at a model pixel tells which point was sampled."""
    height, width = 61, 120
    ramp = np.repeat((2 * np.arange(width, dtype=np.uint8))[None, :, None], height, axis=0)
    geometry = plan_frame(height, width, scale=scale)
    x, _ = model_grid(geometry)
    model = to_model(np.broadcast_to(ramp, (height, width, 3)), geometry)[geometry.model_shape[0] // 2, :, 0]
    inside = (x[0] >= 3) & (x[0] <= width - 4)
    # uint8 rounding alone is 0.25 px on this ramp; a half-pixel mistake would show as 0.5 px and more at any scale.
    assert np.abs(model[inside] / 2.0 - x[0][inside]).max() <= 0.3


def test_a_coarser_image_averages_what_it_leaves_out():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    model = to_model(noise, plan_frame(128, 128, scale=0.25))
    # 16 pixels stand behind each one: the deviation of 74 falls to a quarter, 18.5; plain sampling would leave 36.
    assert model.std() < 24


def test_without_scale_and_padding_nothing_is_copied():
    image = np.zeros((64, 96, 3), np.uint8)
    pair = prepare_pair(image, image, multiple=32)
    assert pair.left is image
    assert pair.geometry.is_identity


def test_unknown_does_not_spread():
    geometry = plan_frame(40, 40, scale=0.5, multiple=8)
    model = np.full(geometry.model_shape, 10.0, np.float32)
    model[10, 12] = np.nan
    restored = restore_disparity(model, geometry)
    assert 1 <= np.isnan(restored).sum() <= 4
    np.testing.assert_allclose(restored[~np.isnan(restored)], 20.0)


def test_a_depth_edge_is_not_blended():
    geometry = plan_frame(32, 64, scale=0.5)
    model = np.full(geometry.model_shape, 5.0, np.float32)
    model[:, model.shape[1] // 2 :] = 50.0
    assert set(np.unique(restore_disparity(model, geometry))) == {10.0, 100.0}


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 100), st.integers(8, 100), SCALES, MULTIPLES)
def test_a_start_on_the_models_grid_is_the_same_disparity(height, width, scale, multiple):
    geometry = plan_frame(height, width, scale=scale, multiple=multiple)
    start = disparity_to_model(np.full((height, width), 12.5, np.float32), geometry)
    assert start.shape == geometry.model_shape
    np.testing.assert_allclose(start, 12.5 * scale, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.0, -1.0, 0.1, 5.0, float("nan"), float("inf")])
def test_refuses_a_scale_out_of_range(scale):
    with pytest.raises(ParameterError, match="scale"):
        plan_frame(10, 10, scale=scale)


def test_refuses_images_that_are_no_pair():
    image = np.zeros((40, 60, 3), np.uint8)
    with pytest.raises(ImageError, match="60x40 px and right 61x40 px"):
        prepare_pair(image, np.zeros((40, 61, 3), np.uint8))
    with pytest.raises(ImageError, match="float32"):
        prepare_pair(image.astype(np.float32), image)
    with pytest.raises(ImageError, match="expected uint8"):
        prepare_pair(image[..., 0], image)


def test_refuses_an_answer_of_another_size():
    with pytest.raises(ImageError, match="must answer every pixel"):
        restore_disparity(np.zeros((4, 4), np.float32), plan_frame(40, 40))

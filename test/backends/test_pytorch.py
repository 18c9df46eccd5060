"""The torch backend on the CPU, through the factory and the matcher: what it takes, answers and refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.factory import MatcherSettings, create_matcher
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
from ffstereo_ros.network.model import FastFoundationStereo
from ffstereo_ros.training.start import fresh_model

HEIGHT, WIDTH = 100, 150  # no multiples of 32
Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network's architecture with random numbers, as a file; refinement moves little."""
    return _write_random_weights(tmp_path_factory.mktemp("weights") / "random.safetensors")


def _write_random_weights(path: Path, **changes: Any) -> Path:
    model = fresh_model("mini", 0)
    config = replace(model.config, **changes)
    save_weights(path, LoadedWeights(config, model.state_dict(), WeightsMetadata("random", "none", "a test")))
    return path


@pytest.fixture(scope="module")
def settings(weights: Path) -> MatcherSettings:
    return MatcherSettings("torch", weights=str(weights), device="cpu", iterations=2, max_disparity=64)


@pytest.fixture(scope="module")
def matcher(settings: MatcherSettings) -> StereoMatcher:
    return create_matcher(settings).matcher


@pytest.fixture(scope="module")
def pair() -> tuple[Image, Image]:
    """A random texture seen 9 px apart."""
    wide = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH + 9, 3), dtype=np.uint8)
    return wide[:, :WIDTH].copy(), wide[:, 9:].copy()


def test_answers_on_the_users_pixels_with_a_confidence(matcher: StereoMatcher, pair: tuple[Image, Image]) -> None:
    result = matcher.match(*pair)
    assert result.disparity.shape == result.confidence.shape == (HEIGHT, WIDTH)
    assert result.raw_disparity.dtype == result.confidence.dtype == np.float32
    assert np.isfinite(result.raw_disparity).all()
    assert 0 <= result.confidence.min() < result.confidence.max() <= 1
    assert np.array_equal(matcher.match(*pair).raw_disparity, result.raw_disparity)  # no state between frames


def test_bf16_answers_as_fp32_does(settings: MatcherSettings, pair: tuple[Image, Image], tmp_path: Path) -> None:
    """Mean 0.1 px allowed, measured 0.009, in a search range of 64 px.

    The start is the mean of all bins: random weights find many of them equally likely, and which is the likeliest then
    lies with the rounding.
    """
    whole = replace(settings, weights=str(_write_random_weights(tmp_path / "whole.safetensors", start_radius=None)))
    matchers = [create_matcher(replace(whole, precision=name)).matcher for name in ("fp32", "bf16")]
    answers = [matcher.match(*pair).raw_disparity for matcher in matchers]
    assert 0 < np.abs(answers[0] - answers[1]).mean() < 0.1


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_starts_from_a_given_disparity(scale: float, settings: MatcherSettings, pair: tuple[Image, Image]) -> None:
    """With this quiet network the answer stays near the start, in px of the user's image at any scale."""
    matcher = create_matcher(replace(settings, scale=scale)).matcher
    for start in (10.0, 30.0):
        given = np.full((HEIGHT, WIDTH), start, np.float32)
        answer = matcher.match(*pair, initial_disparity=given).raw_disparity
        assert np.median(answer) == pytest.approx(start, abs=1.0 / scale)


@pytest.mark.parametrize("hierarchical", [False, True])
def test_unknown_pixels_of_a_start_begin_as_without_one(
    hierarchical: bool, settings: MatcherSettings, pair: tuple[Image, Image]
) -> None:
    matcher = create_matcher(replace(settings, hierarchical=hierarchical)).matcher
    given = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    alone = matcher.match(*pair).raw_disparity
    assert np.array_equal(matcher.match(*pair, initial_disparity=given).raw_disparity, alone)
    given[:, :75] = 20
    answer = matcher.match(*pair, initial_disparity=given).raw_disparity
    assert np.isfinite(answer).all()
    assert np.median(np.abs(answer - alone)[:, 100:]) < 0.5 < np.median(np.abs(answer - alone)[:, :60])


def test_a_start_lies_on_a_surface_at_edges_too(settings: MatcherSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refinement is trained from one pixel of sixteen; their mean over a step would be a disparity that is nowhere."""
    given = np.full((64, 96), 8.0, np.float32)
    given[:, 45:] = 40.0  # in the middle of a cell of 4 px
    starts: list[torch.Tensor] = []
    matcher = create_matcher(replace(settings, scale=1.0)).matcher
    real = FastFoundationStereo.forward

    def forward(self: FastFoundationStereo, *arguments: Any) -> Any:
        starts.append(arguments[-1])
        return real(self, *arguments)

    monkeypatch.setattr(FastFoundationStereo, "forward", forward)
    image = np.zeros((64, 96, 3), np.uint8)
    matcher.match(image, image, initial_disparity=given)
    assert starts[0].shape == (1, 1, 16, 24)
    assert set(starts[0].flatten().tolist()) == {2.0, 10.0}


def test_a_start_of_another_size_is_refused(matcher: StereoMatcher, pair: tuple[Image, Image]) -> None:
    with pytest.raises(FFStereoError, match=r"initial disparity is \[10, 10\]"):
        matcher.match(*pair, initial_disparity=np.zeros((10, 10), np.float32))


@pytest.mark.parametrize("shift", [40, 90])
def test_hierarchical_is_as_sure_beyond_the_fine_range_as_within(shift: int) -> None:
    """With the shipped network, whose fine pass reaches 60 px here and whose coarse one 120."""
    matcher = create_matcher(
        MatcherSettings("torch", device="cpu", precision="fp32", max_disparity=64, hierarchical=True, scale=1.0)
    ).matcher
    noise = np.random.default_rng(3).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (384 + shift, 192), interpolation=cv2.INTER_CUBIC)
    answer = matcher.match(wide[:, :384].copy(), wide[:, shift:].copy())
    seen = (slice(20, -20), slice(shift + 20, -20))
    assert np.abs(answer.disparity[seen] - shift).mean() < 1
    assert np.median(answer.confidence[seen]) > 0.8


def test_hierarchical_doubles_the_range(settings: MatcherSettings, pair: tuple[Image, Image]) -> None:
    """Both passes run, and the coarse one decides where the fine one starts."""
    plain, hierarchical = (create_matcher(replace(settings, hierarchical=each)).matcher for each in (False, True))
    assert (plain.max_disparity, hierarchical.max_disparity) == (64, 128)
    answers = [each.match(*pair).raw_disparity for each in (plain, hierarchical)]
    assert np.isfinite(answers[1]).all()
    assert np.abs(answers[0] - answers[1]).mean() > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_disparity": 100}, "max_disparity = 100"),
        ({"max_disparity": 448}, "max_disparity = 448 px: allowed is 32 to 416 px"),
        ({"iterations": 0}, "iterations = 0"),
        ({"precision": "fp16"}, "precision = fp16: CPUs have no"),
        ({"weights": "no-such-file"}, "weights = 'no-such-file': no such file"),
        pytest.param(
            {"device": "cuda"},
            "device = cuda: .*; use device cpu or auto",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here"),
        ),
    ],
)
def test_settings_it_refuses(change: dict[str, object], message: str, settings: MatcherSettings) -> None:
    with pytest.raises(FFStereoError, match=message) as refusal:
        create_matcher(replace(settings, **change))  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("shape", [(31, 150), (100, 31)])
def test_images_too_small_are_refused(shape: tuple[int, int], matcher: StereoMatcher) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    with pytest.raises(FFStereoError, match=r"at least 32x32 px") as refusal:
        matcher.match(image, image)
    assert "\n" not in str(refusal.value)


def test_the_smallest_image_is_matched(matcher: StereoMatcher) -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    assert np.isfinite(matcher.match(image, image).raw_disparity).all()


def spoilt(source: Path, target: Path, name: str, tensor: torch.Tensor) -> Path:
    """The weights file with one tensor replaced, its description kept."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(source, "pt") as file:
        description = file.metadata()
    save_file({**load_file(source), name: tensor}, target, metadata=description)
    return target


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(48, 99, 1, 1), r"proj_cmb.weight.*\[48, 99, 1, 1\]"),
        (torch.full((2, 48, 1, 1), float("nan")), "holds NaN or infinite numbers in 1 tensors: proj_cmb.weight"),
    ],
    ids=["another architecture", "NaN"],
)
def test_weights_it_refuses(
    tensor: torch.Tensor, message: str, weights: Path, tmp_path: Path, settings: MatcherSettings
) -> None:
    file = spoilt(weights, tmp_path / "spoilt.safetensors", "proj_cmb.weight", tensor)
    with pytest.raises(FFStereoError, match=message) as refusal:
        create_matcher(replace(settings, weights=str(file)))
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)

"""The weights that ship with the package: small, free, named by their card, and better than chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import ffstereo_ros.weights
from ffstereo_ros.factory import DEFAULT_WEIGHTS, MatcherSettings, create_matcher, find_weights
from ffstereo_ros.network.checkpoint.metadata import read_metadata
from ffstereo_ros.network.presets import preset_config
from ffstereo_ros.training.validation import held_out_examples

FILE = Path(ffstereo_ros.weights.__file__).parent / f"{DEFAULT_WEIGHTS}.safetensors"


def test_file_is_small_free_and_of_the_preset() -> None:
    assert FILE.stat().st_size < 8e6
    metadata, config = read_metadata(FILE)
    assert metadata.licence == "Apache-2.0"
    assert config == preset_config(DEFAULT_WEIGHTS)


def test_card_says_what_the_file_says() -> None:
    metadata, _ = read_metadata(FILE)
    card = FILE.with_suffix(".md").read_text()
    for text in (
        metadata.source,
        f"scale {metadata.scale:g}",
        f"{metadata.max_iterations} refinements",
        metadata.licence,
    ):
        assert text in card, text


def test_it_is_what_runs_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path))
    assert find_weights("") == FILE
    ready = create_matcher(MatcherSettings("torch", device="cpu"))
    assert f"weights {DEFAULT_WEIGHTS}" in ready.reason
    assert f"at scale {read_metadata(FILE)[0].scale:g}" in ready.reason


def test_matches_scenes_nobody_trained_on() -> None:
    matcher = create_matcher(MatcherSettings("torch", weights=str(FILE), device="cpu", max_disparity=96)).matcher
    wrong = []
    for example in held_out_examples(4, 128, 256):
        error = np.abs(matcher.match(example.left, example.right).disparity - example.truth)
        wrong.append(np.mean(~(error <= 2)[np.isfinite(example.truth) & (example.truth < 60)]))
    assert np.mean(wrong) < 0.35, wrong

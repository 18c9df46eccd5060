"""From settings to a matcher: what the weights say about themselves is heeded."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch")

from ffstereo_ros.factory import MatcherSettings, create_matcher
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
from ffstereo_ros.training.start import fresh_model


@pytest.mark.parametrize(("extra", "runs"), [({"max_iterations": "2"}, 2), ({}, 3)])
def test_no_more_iterations_than_the_weights_were_made_for(extra: dict[str, str], runs: int, tmp_path: Path) -> None:
    model = fresh_model("mini", 0)
    metadata = WeightsMetadata("two", "Apache-2.0", extra=extra)
    save_weights(tmp_path / "two.safetensors", LoadedWeights(model.config, model.state_dict(), metadata))
    settings = MatcherSettings("torch", weights=str(tmp_path / "two.safetensors"), iterations=3, max_disparity=32)
    ready = create_matcher(settings)
    assert f", {runs} iterations" in ready.reason


@pytest.mark.parametrize(
    ("extra", "scale", "used"),
    [({"scale": "1.5"}, 0.0, 1.5), ({"scale": "1.5"}, 1.0, 1.0), ({}, 0.0, 1.0), ({"scale": "99"}, 0.0, 1.0)],
)
def test_works_at_the_scale_the_weights_do_best_at(
    extra: dict[str, str], scale: float, used: float, tmp_path: Path
) -> None:
    model = fresh_model("mini", 0)
    metadata = WeightsMetadata("enlarged", "Apache-2.0", extra=extra)
    save_weights(tmp_path / "enlarged.safetensors", LoadedWeights(model.config, model.state_dict(), metadata))
    weights = str(tmp_path / "enlarged.safetensors")
    ready = create_matcher(MatcherSettings("torch", weights=weights, iterations=1, max_disparity=32, scale=scale))
    assert ready.matcher.scale == used
    assert ready.matcher.max_disparity == 32 / used
    assert (" at scale 1.5" in ready.reason) == (used == 1.5)

"""Our weights file: what goes in comes out, and whatever is wrong with a file is said in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small_networks import ARRANGEMENTS
from torch import Tensor

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata, read_metadata
from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.store import LoadedWeights, build_model, load_weights, save_weights


@pytest.fixture(scope="module")
def weights(small_checkpoint: Path) -> LoadedWeights:
    """The small network, with something under `extra`."""
    loaded = load_official(small_checkpoint, False)
    return replace(loaded, metadata=replace(loaded.metadata, extra={"seed": "7"}))


@pytest.fixture
def saved(weights: LoadedWeights, tmp_path: Path) -> Path:
    """The same as a file."""
    save_weights(tmp_path / "small.safetensors", weights)
    return tmp_path / "small.safetensors"


def test_round_trip_is_exact(weights: LoadedWeights, saved: Path) -> None:
    again = load_weights(saved)
    assert again.config == weights.config == replace(ARRANGEMENTS["searched"], volume=weights.config.volume)
    assert again.metadata == weights.metadata
    assert again.tensors.keys() == weights.tensors.keys()
    for name, tensor in weights.tensors.items():
        assert torch.equal(again.tensors[name], tensor)
        assert again.tensors[name].dtype == tensor.dtype
    model = build_model(again)
    assert not model.training
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights.tensors.items())


def test_readable_to_whom_other_files_are(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    assert saved.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_metadata_without_tensors(weights: LoadedWeights, saved: Path) -> None:
    assert read_metadata(saved) == (weights.metadata, weights.config)
    with safe_open(saved, framework="pt") as file:
        header = file.metadata()
    assert header["normalize"] == "false"
    assert header["max_disparity"] == "192"
    assert header["source_sha256"] == weights.metadata.source_sha256
    assert json.loads(header["config"])["max_disparity"] == 192


def test_half_storage_is_half_the_size_and_float32_again(weights: LoadedWeights, saved: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_weights(half, weights, half=True)
    again = load_weights(half)
    for name, tensor in weights.tensors.items():
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(again.tensors[name], expected)
    header = 90_000  # bytes of names and configuration, the same in both
    assert half.stat().st_size - header < 0.55 * (saved.stat().st_size - header)


def test_half_refuses_what_it_cannot_hold(weights: LoadedWeights, tmp_path: Path) -> None:
    tensors = {**weights.tensors, "proj_cmb.bias": torch.full((2,), 1e6)}
    with pytest.raises(WeightsError, match=r"infinite numbers in 1 tensors: proj_cmb\.bias"):
        save_weights(tmp_path / "x.safetensors", replace(weights, tensors=tensors), half=True)
    assert list(tmp_path.iterdir()) == []


Change = Callable[[dict[str, Tensor], dict[str, str]], None]


def _rename(tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    tensors["proj_cmb.weights"] = tensors.pop("proj_cmb.weight")


def _config(edit: Callable[[dict[str, object]], object]) -> Change:
    def change(tensors: dict[str, Tensor], header: dict[str, str]) -> None:
        config = json.loads(header["config"])
        edit(config)
        header["config"] = json.dumps(config)

    return change


BROKEN: dict[str, tuple[Change, str]] = {
    "missing tensor": (lambda t, h: t.pop("proj_cmb.weight"), r"lacks 1 tensors: proj_cmb\.weight"),
    "renamed tensor": (_rename, r"lacks 1 tensors: proj_cmb\.weight"),
    "extra tensor": (lambda t, h: t.update(extra=torch.ones(1)), r"holds 1 tensors the network does not have: extra"),
    "other shape": (
        lambda t, h: t.update({"proj_cmb.bias": torch.ones(3)}),
        r"another shape: proj_cmb\.bias \[3\] instead of \[2\]",
    ),
    "nan": (
        lambda t, h: t["proj_cmb.bias"].fill_(float("nan")),
        r"NaN or infinite numbers in 1 tensors: proj_cmb\.bias",
    ),
    "other type": (
        lambda t, h: t.update({"proj_cmb.bias": torch.ones(2).to(torch.float8_e4m3fn)}),
        r"proj_cmb\.bias is of type torch\.float8",
    ),
    "foreign file": (lambda t, h: h.clear(), "without this package's metadata"),
    "newer format": (lambda t, h: h.update(format_version="2"), r"format version 2, this package reads 1"),
    "no json": (lambda t, h: h.update(config="{"), "metadata entry config is missing or no JSON"),
    "no config": (lambda t, h: h.pop("config"), "metadata entry config is missing or no JSON"),
    "config is a list": (lambda t, h: h.update(config="[1]"), "network description is wrong"),
    "unknown entry": (_config(lambda c: c.update(colour="blue")), "unknown entries colour"),
    "missing entry": (_config(lambda c: c.pop("stem_2")), "lacks the entry stem_2"),
    "other kind": (_config(lambda c: c["stem_2"].update(kind="magic")), "magic"),  # type: ignore[index]
    "huge layer": (
        _config(lambda c: c["volume"]["proj_cmb"].update(out_channels=1 << 40)),  # type: ignore[index]
        "another architecture",
    ),
    "flag differs": (lambda t, h: h.update(normalize="true"), "network description says otherwise"),
    "attribute of torch": (
        _config(lambda c: c.update(unused=[{"name": "x.y", "shape": [1], "dtype": "load"}])),
        r"unused tensor x\.y has type load",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_refused_in_one_line(name: str, saved: Path, tmp_path: Path) -> None:
    change, message = BROKEN[name]
    with safe_open(saved, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a dict)
        header = file.metadata()
    change(tensors, header)
    path = tmp_path / "broken.safetensors"
    save_file(tensors, path, metadata=header or None)
    with pytest.raises(WeightsError, match=f"broken\\.safetensors: .*{message}") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 4, 100, 20_000])
def test_truncated_file(size: int, saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(WeightsError, match="no complete safetensors file"):
        load_weights(path)


def test_other_files(small_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="pickled checkpoint; make it safe first: ffstereo convert"):
        load_weights(small_checkpoint)
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(tmp_path / "nowhere.safetensors")


def test_unfit_weights_are_not_written(weights: LoadedWeights, tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in weights.tensors.items() if name != "proj_cmb.bias"}
    with pytest.raises(WeightsError, match=r"lacks 1 tensors: proj_cmb\.bias"):
        save_weights(tmp_path / "x.safetensors", LoadedWeights(weights.config, tensors, WeightsMetadata("x", "y")))
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_file(weights: LoadedWeights, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WeightsError, match=r"cannot be written .*No space left"):
        save_weights(saved, weights)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]

"""Short real runs: the loss falls, files appear, a run can be resumed, ended by time, spread out, and fine-tuned."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from ffstereo_ros.errors import FFStereoError, InputFileError, ParameterError, WeightsError
from ffstereo_ros.network.checkpoint.store import build_model, load_weights
from ffstereo_ros.network.model import StereoOutput
from ffstereo_ros.training import folder as folder_module
from ffstereo_ros.training import loop
from ffstereo_ros.training import settings as settings_module
from ffstereo_ros.training.crop_sequence import CropSequence
from ffstereo_ros.training.folder import FolderBatches, check_pairs
from ffstereo_ros.training.gradients import GradientWatch
from ffstereo_ros.training.loop import train
from ffstereo_ros.training.losses import Losses, stereo_losses
from ffstereo_ros.training.scenes.sampler import sample_pair
from ffstereo_ros.training.settings import TINY_CROPS, TrainSettings
from ffstereo_ros.training.validation import autocast


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_HELD_OUT", 1)
    monkeypatch.setattr(loop, "_LOG_EVERY", 1)
    torch.set_num_threads(1)


def _settings(output: Path, steps: int, **changes: object) -> TrainSettings:
    settings = TrainSettings(output, steps=steps, crops=TINY_CROPS, workers=0, iterations=1, learning_rate=2e-3)
    return replace(settings, **changes)  # type: ignore[arg-type]


def test_loss_falls_and_files_appear(tmp_path: Path) -> None:
    result = train(_settings(tmp_path, 60))
    assert result.progress.step == 60
    assert result.progress.samples == 120
    first, last = np.mean(result.losses[:5]), np.mean(result.losses[-5:])
    assert last < 0.75 * first, (first, last)  # measured 0.54 to 0.65 of the start over four seeds
    assert set(result.figures) == {"generated"}
    model = build_model(load_weights(tmp_path / "weights.safetensors"))
    assert model.config.volume.groups == 8
    assert (tmp_path / "curves.png").stat().st_size > 1000
    with (tmp_path / "losses.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates[-1] < 0.1 * max(rates)


def test_a_run_without_usable_gradients_ends_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped steps cost hours when nobody counts them."""

    def blind(output: StereoOutput, truth: Tensor, *, robust: bool) -> Losses:
        losses = stereo_losses(output, truth)
        return replace(losses, total=losses.total + (losses.total * 0).sqrt())

    monkeypatch.setattr(loop, "stereo_losses", blind)
    monkeypatch.setattr(loop, "_PATIENCE", 3)
    with pytest.raises(FFStereoError, match="norm of the gradients was nan in 3 steps running: lower --learning"):
        train(_settings(tmp_path, 30))


def test_skipped_steps_are_counted() -> None:
    watch = GradientWatch(patience=2)
    assert [watch.usable(norm) for norm in (1.0, float("inf"), 2.0, float("nan"))] == [True, False, True, False]
    assert watch.skipped == 2
    with pytest.raises(FFStereoError, match="2 steps running"):
        watch.usable(float("nan"))


def test_resume_goes_on_where_the_run_stopped(tmp_path: Path) -> None:
    train(_settings(tmp_path, 4))
    result = train(_settings(tmp_path, 6, resume=True))
    assert result.progress.step == 6
    assert len(result.losses) == 2


def test_resume_needs_a_state(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="--resume"):
        train(_settings(tmp_path, 4, resume=True))


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("state.pt", "a run: add --resume to go on with it, or choose another folder"),
        ("weights.safetensors", "weights.safetensors and no state to go on from: choose another folder"),
    ],
)
def test_a_run_that_is_there_is_not_overwritten(tmp_path: Path, file: str, remedy: str) -> None:
    for name in (file, "losses.csv"):
        (tmp_path / name).write_text("hours of work")
    with pytest.raises(InputFileError, match=f"holds {remedy}"):
        train(_settings(tmp_path, 1))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        (file, "losses.csv"), "hours of work"
    )


def test_scenes_to_evaluate_on_are_looked_at_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    for name in ("left.png", "right.png"):
        cv2.imwrite(str(tmp_path / "scenes" / name), np.zeros((64, 96, 3), np.uint8))
    for name in ("a", "b"):
        shutil.copytree(tmp_path / "scenes", tmp_path / "damaged" / name)
        np.save(tmp_path / "damaged" / name / "disp.npy", np.ones((64, 96), np.float32))
    (tmp_path / "damaged" / "b" / "left.png").write_bytes(b"cut")
    cases = (("none", "none"), ("scenes", "none of its scenes has truth"), ("damaged", "b/left.png"))
    for folder, reason in ((tmp_path / name, reason) for name, reason in cases):
        with pytest.raises(InputFileError, match=reason):
            train(_settings(tmp_path / "run", 1, evaluate_on=folder))
    assert not (tmp_path / "run").exists()


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ParameterError, match="device is 'cuda:1': PyTorch sees 1 CUDA device"):
        train(_settings(tmp_path, 1, device="cuda:1"))


def test_a_damaged_state_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_text("cut off")
    with pytest.raises(
        InputFileError, match=r"^[^\n]* cannot be continued from \([^\n]*\): start anew in another folder$"
    ):
        train(_settings(tmp_path, 1, resume=True))
    assert (tmp_path / "state.pt").read_text() == "cut off"


def test_minutes_end_a_run_early(tmp_path: Path) -> None:
    result = train(_settings(tmp_path, 100_000, minutes=0.02))
    assert 1 <= result.progress.step < 1000


def test_minutes_alone_end_a_run_by_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "DEFAULT_STEPS", 2)
    assert train(TrainSettings(tmp_path / "both", crops=TINY_CROPS, workers=0)).progress.step == 2
    result = train(TrainSettings(tmp_path / "minutes", minutes=0.05, crops=TINY_CROPS, workers=0))
    assert result.progress.step > 2
    assert result.progress.minutes >= 0.05


def test_processes_share_one_run(tmp_path: Path) -> None:
    result = train(_settings(tmp_path, 3, processes=2))
    assert result.progress.samples == 6  # as in one process: two pairs a step


def test_several_processes_are_for_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients are exchanged between CPU tensors; auto must not pick the GPU that is there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert loop._device(_settings(tmp_path, 1)).type == "cuda"
    assert loop._device(_settings(tmp_path, 1, processes=2)).type == "cpu"
    with pytest.raises(ParameterError, match="processes is 2 with device 'cuda'"):
        _settings(tmp_path, 1, processes=2, device="cuda")


@pytest.mark.parametrize(("generation", "used"), [(7, False), (8, True), (12, True)])
def test_bfloat16_is_used_where_the_gpu_has_it(generation: int, used: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch also calls what it emulates supported, which is slower than float32."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (generation, 0))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: "autocast")
    assert (autocast(torch.device("cuda", 0)) == "autocast") is used


def _write_pair(folder: Path, seed: int) -> None:
    pair = sample_pair(seed, 80, 150, 40)
    folder.mkdir(parents=True)
    for name, image in (("left", pair.left), ("right", pair.right)):
        cv2.imwrite(str(folder / f"{name}.png"), image.permute(1, 2, 0).numpy()[:, :, ::-1])
    cv2.imwrite(str(folder / "disp.png"), (pair.disparity.numpy() * 256).astype(np.uint16))


def test_fine_tuning_starts_from_weights_and_reads_a_folder(tmp_path: Path) -> None:
    for seed in range(2):
        _write_pair(tmp_path / "pairs" / f"mine_{seed}", seed)
    train(_settings(tmp_path / "first", 3))
    weights = tmp_path / "first" / "weights.safetensors"
    tuned = train(_settings(tmp_path / "tuned", 1, init=weights, data=tmp_path / "pairs", learning_rate=1e-6))
    assert np.isfinite(tuned.losses).all()
    before, after = (load_weights(tmp_path / run / "weights.safetensors").tensors for run in ("first", "tuned"))
    name = "classifier.weight"
    assert torch.allclose(before[name], after[name], atol=1e-4)


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_norms_keep_the_statistics_and_learn_the_rest(tmp_path: Path, frozen: bool) -> None:
    train(_settings(tmp_path / "first", 1))
    weights = tmp_path / "first" / "weights.safetensors"
    train(_settings(tmp_path / "second", 2, init=weights, frozen_norms=frozen))
    before, after = (load_weights(path).tensors for path in (weights, tmp_path / "second" / "weights.safetensors"))
    statistics = [name for name in before if name.endswith((".bn.running_mean", ".bn.running_var"))]
    assert {torch.equal(before[name], after[name]) for name in statistics} == {frozen}
    weights_of_norms = [name.replace("running_mean", "weight") for name in statistics if "mean" in name]
    assert not all(torch.equal(before[name], after[name]) for name in weights_of_norms)


def test_a_robust_loss_is_what_is_minimised(tmp_path: Path) -> None:
    plain, robust = (train(_settings(tmp_path / str(on), 1, robust_loss=on)).losses[0] for on in (False, True))
    assert robust < 0.8 * plain  # a fresh network's errors are large


def test_folder_crops_keep_truth_and_image_together(tmp_path: Path) -> None:
    _write_pair(tmp_path / "mine_0", 3)
    left, _, truth, depth = next(iter(FolderBatches(tmp_path, 0, CropSequence(0, TINY_CROPS))))
    assert left.shape == (2, 3, 64, 128)
    assert truth.shape == (2, 1, 64, 128)
    assert depth == 64
    whole = sample_pair(3, 80, 150, 40).disparity
    windows = whole.unfold(0, 64, 1).unfold(1, 128, 1)
    worst = min(float((window - truth[0, 0]).abs().max()) for row in windows for window in row)
    assert worst < 1 / 256 + 1e-4  # the file's step


def test_folder_without_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputFileError):
        FolderBatches(tmp_path, 0, CropSequence(0, TINY_CROPS))


def test_pairs_that_cannot_be_read_are_named_before_the_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write_pair(tmp_path / "pairs" / name, 1)
    (tmp_path / "pairs" / "b" / "right.png").write_bytes(b"cut")
    with pytest.raises(InputFileError, match=r"^[^\n]*pairs/b/right\.png[^\n]*$"):
        train(_settings(tmp_path / "run", 1, data=tmp_path / "pairs"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -1.0])
def test_a_folder_without_a_known_pixel_is_refused(nothing: float, tmp_path: Path) -> None:
    _write_pair(tmp_path / "pairs" / "a", 1)
    (tmp_path / "pairs" / "a" / "disp.png").unlink()
    np.save(tmp_path / "pairs" / "a" / "disp.npy", np.full((80, 150), nothing, np.float32))
    with pytest.raises(InputFileError, match=r"pairs: no pixel of its 1 pair\(s\) has a known disparity"):
        train(_settings(tmp_path / "run", 1, data=tmp_path / "pairs"))


def test_many_pairs_are_counted_while_they_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_pair(tmp_path / "pairs" / "a", 1)
    check_pairs(tmp_path / "pairs", many=2)
    assert capsys.readouterr().err == ""
    check_pairs(tmp_path / "pairs", many=1)
    assert "reading each pair once: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pair_damaged_during_the_run_is_told_in_one_line(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_pair(tmp_path / "pairs" / "a", 1)
    (tmp_path / "pairs" / "a" / "right.png").write_bytes(b"cut")
    monkeypatch.setattr(loop, "check_pairs", lambda _folder: None, raising=False)
    with pytest.raises(InputFileError, match=r"^image [^\n]*pairs/a/right\.png[^\n]*$"):
        train(_settings(tmp_path / "run", 1, data=tmp_path / "pairs", workers=workers))


def test_a_worker_that_fails_is_told_by_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_pair(tmp_path / "pairs" / "a", 1)
    monkeypatch.setattr(folder_module, "cut_pair", lambda *_: {}["a"])  # KeyError: 'a'
    with pytest.raises(FFStereoError, match=r"^a worker that makes batches failed: KeyError: 'a'$"):
        train(_settings(tmp_path / "run", 1, data=tmp_path / "pairs", workers=1))


def test_damaged_init_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"bad\.safetensors"):
        train(_settings(tmp_path / "out", 1, init=bad))

"""The container: truncated, foreign, oversized and rewritten zip files."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import pytest
import torch
from claimed_classes import save_official
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_format import Writer
from small_networks import ARRANGEMENTS

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint import archive
from ffstereo_ros.network.checkpoint.official import load_official


def _rewritten(
    source: Path, target: Path, edit: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED
) -> Path:
    """A copy with some entries (named without the root folder) replaced, or left out where None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for entry in old.infolist():
            name = entry.filename.partition("/")[2]
            data = edit.get(name, old.read(entry))
            if data is not None:
                new.writestr(entry.filename, data)
    return target


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: no such file"):
        load_official(tmp_path / "nowhere.pth", True)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(share: float, golden_checkpoint: Path, tmp_path: Path) -> None:
    data = golden_checkpoint.read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match="cut short"):
        load_official(path, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a zip"),
        (b"hello world, this is text", "begins with b'hell'"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "bare pickle"),
        (b'\x10\x00\x00\x00\x00\x00\x00\x00{"a":1}', "safetensors"),
        (b"<!DOCTYPE html><html>quota exceeded</html>", "begins with b'<!DO'"),
    ],
)
def test_foreign_file_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load_official(path, True)


def test_zip_without_a_pickle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(WeightsError, match=r"exactly one small data\.pkl"):
        load_official(tmp_path / "x.pth", True)


def test_any_root_folder_and_compression(small_checkpoint: Path, tmp_path: Path) -> None:
    """The root folder's name is free, and a file packed again by another tool is the same file."""
    expected = load_official(small_checkpoint, True)
    path = tmp_path / "again.pth"
    with zipfile.ZipFile(small_checkpoint) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr("some other name/" + entry.filename.partition("/")[2], old.read(entry))
    again = load_official(path, True)
    assert again.config == expected.config
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in expected.tensors.items())


def test_missing_storage_is_named(small_checkpoint: Path, tmp_path: Path) -> None:
    path = _rewritten(small_checkpoint, tmp_path / "x.pth", {"data/7": None})
    with pytest.raises(WeightsError, match=r"storage of tensor .* is missing"):
        load_official(path, True)


def test_short_storage_is_named(small_checkpoint: Path, tmp_path: Path) -> None:
    path = _rewritten(small_checkpoint, tmp_path / "x.pth", {"data/7": b"\0\0\0"})
    with pytest.raises(WeightsError, match=r"storage of tensor .* has 3 bytes, expected"):
        load_official(path, True)


def test_flipped_bit_is_noticed(small_checkpoint: Path, tmp_path: Path) -> None:
    data = bytearray(small_checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "x.pth"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_official(path, True)


def test_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", b"\x80\x02}.")
        file.writestr("a/data/0", bytes(2 << 20))
    with pytest.raises(WeightsError, match="unpacks to 2 entries of 2 MiB, allowed are"):
        load_official(path, True)


def test_big_endian_is_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    path = _rewritten(small_checkpoint, tmp_path / "x.pth", {"byteorder": b"big"})
    with pytest.raises(WeightsError, match="big-endian"):
        load_official(path, True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_widths_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network().to(dtype)
    loaded = load_official(save_official(root, tmp_path / "x.pth"), True)
    for name, tensor in root.state_dict().items():
        expected = tensor.float() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded.tensors[name], expected), name
        assert loaded.tensors[name].dtype == expected.dtype


def test_views_are_read_as_views(tmp_path: Path) -> None:
    """A transposed parameter, and two parameters in one storage."""
    root = Writer(ARRANGEMENTS["searched"]).network()
    both = torch.rand(2, 3, 16)
    root.proj_cmb.weight = torch.nn.Parameter(both.permute(2, 0, 1)[:, :, :1].transpose(0, 1).unsqueeze(-1))
    root.proj_cmb.bias = torch.nn.Parameter(both[:, 2, 5])
    expected = root.state_dict()
    assert not expected["proj_cmb.weight"].is_contiguous()
    loaded = load_official(save_official(root, tmp_path / "x.pth"), True)
    for name in ("proj_cmb.weight", "proj_cmb.bias"):
        assert torch.equal(loaded.tensors[name], expected[name])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_container_gives_weights_or_our_error(
    small_checkpoint: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """Bytes changed in the headers at the end of the file, where the zip directory lies."""
    mutated = bytearray(small_checkpoint.read_bytes())
    with zipfile.ZipFile(io.BytesIO(mutated)) as file:
        start = file.start_dir
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(start, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.pth"
    path.write_bytes(mutated)
    with contextlib.suppress(WeightsError):
        load_official(path, True)

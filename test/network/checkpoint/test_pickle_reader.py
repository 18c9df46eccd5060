"""Hostile and damaged pickles: nothing runs, nothing but our error comes out, and the message names what was found."""

from __future__ import annotations

import builtins
import collections
import contextlib
import os
import pickle
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.pickle_reader import read_pickle
from ffstereo_ros.network.checkpoint.records import Record, TensorRecord, state_dict, walk


class _Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.parts = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


def _zip(path: Path, pickled: bytes, root: str = "archive") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{root}/data.pkl", pickled)
        archive.writestr(f"{root}/version", "3\n")
    return path


ATTACKS = {
    "posix.system": lambda mark: _Calls(os.system, f"touch {mark}"),
    "exec": lambda mark: _Calls(builtins.exec, f"open({str(mark)!r}, 'w')"),
    "eval": lambda mark: _Calls(builtins.eval, f"open({str(mark)!r}, 'w')"),
    "subprocess.Popen": lambda mark: _Calls(subprocess.Popen, ["touch", str(mark)]),
    "getattr": lambda mark: _Calls(getattr, os, "system"),
    "collections.Counter": lambda mark: collections.Counter("a"),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("container", ["zip", "bare"])
def test_attack_runs_nothing_and_is_named(name: str, protocol: int, container: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    if name == "getattr":  # a module cannot be pickled as an argument; the name alone is the attack
        pickled = b"\x80\x02c__builtin__\ngetattr\n."
    else:
        pickled = pickle.dumps({"model": ATTACKS[name](mark)}, protocol)
    path = tmp_path / "evil.pth"
    if container == "zip":
        _zip(path, pickled)
    else:
        path.write_bytes(pickled)
    with pytest.raises(WeightsError, match=f"evil.pth.*{name.replace('.', '[.]')}.*refused") as caught:
        load_official(path, True)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_attack_hidden_in_a_real_checkpoint(small_checkpoint: Path, tmp_path: Path) -> None:
    """One attribute more in an otherwise good file: the whole file is refused."""
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    call = b"cposix\nsystem\nX" + len(f"touch {mark}").to_bytes(4, "little") + f"touch {mark}".encode() + b"\x85R0"
    with zipfile.ZipFile(small_checkpoint) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("/data.pkl"):
                assert data.endswith(b".")
                data = data[:-1] + call + b"."
            target.writestr(entry.filename, data)
    with pytest.raises(WeightsError, match=r"posix\.system"):
        load_official(path, True)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"\x80\x02}.", "holds a dict"),
        (b"\x80\x02]q\x00.", "holds list"),
        (b"\x80\x02ctorch.nn.modules.linear\nIdentity\n)\x81.", "holds torch.nn.modules.linear.Identity"),
        (b"\x80\x02ccore.submodule\nBackdoor\n)\x81.", "core.submodule.Backdoor"),
        (b"\x80\x02ctimm.models.vision_transformer\nBlock\n)\x81.", "only the EdgeNeXt feature network"),
        (b"(S'x'\nios\nsystem\n.", "os.system"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02Q.", "damaged"),
        (b"\x80\x02N", "damaged"),
        (b"", "damaged"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"\x80\x02(((((.", "damaged"),
        (b"\x80\x02}]s.", "damaged"),
        (b"\x80\x02r\xff\xff\xff\x7fN.", "damaged"),
    ],
)
def test_foreign_pickle_is_refused_in_one_line(pickled: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load_official(_zip(tmp_path / "x.pth", pickled), True)
    assert "\n" not in str(caught.value)


def test_name_with_control_characters_is_shown_on_one_line() -> None:
    name = "os\x1b[31m\u2028x" + "y" * 500
    pickled = b"\x80\x04\x8c\x01a" + b"X" + len(name.encode()).to_bytes(4, "little") + name.encode() + b"\x93."
    with pytest.raises(WeightsError) as caught:
        read_pickle(pickled)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def _storage(count: int) -> bytes:
    identifier = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ"
    return identifier + count.to_bytes(4, "little") + b"tQ"


def _tensor(count: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + v.to_bytes(8, "little", signed=True) for v in values) + b"t"

    view = numbers((offset,))[1:-1] + numbers(shape) + numbers(stride)
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + _storage(count) + view + b"\x89}tR."


def test_tensor_record() -> None:
    tensor = read_pickle(_tensor(24, 4, (2, 5), (10, 2)))
    assert isinstance(tensor, TensorRecord)
    assert (tensor.offset, tensor.shape, tensor.stride) == (4, (2, 5), (10, 2))
    assert (tensor.storage.key, tensor.storage.count, tensor.storage.dtype) == ("0", 24, "float32")


@pytest.mark.parametrize(
    ("count", "offset", "shape", "stride"),
    [
        (24, 7, (2, 5), (10, 2)),  # one past the end
        (4, 0, (1 << 30,), (0,)),  # one number shown a billion times
        (4, -1, (2,), (1,)),
        (4, 3, (2,), (-1,)),
        (4, 0, (-2, -2), (1, 1)),
        (4, 0, (2,), (1, 1)),
        (4, 5, (0,), (1,)),
        (4, 0, (1,) * 9, (1,) * 9),
    ],
)
def test_tensor_outside_its_storage_is_refused(
    count: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    with pytest.raises(WeightsError, match=r"past its storage|damaged"):
        read_pickle(_tensor(count, offset, shape, stride))


def test_shared_children_do_not_explode() -> None:
    """2^40 names from 40 modules that each hold the next one twice."""
    module = Record("torch.nn.modules.container.Sequential")
    for _ in range(40):
        module = Record("torch.nn.modules.container.Sequential", state={"_modules": {"0": module, "1": module}})
    with pytest.raises(WeightsError, match="nest deeper"):
        state_dict(module)


def test_cycle_ends() -> None:
    module = Record("torch.nn.modules.container.Sequential")
    module.state["_modules"] = {"0": module}
    with pytest.raises(WeightsError, match="nest deeper"):
        list(walk(module))


@given(st.binary(max_size=300))
def test_random_bytes_give_a_value_or_our_error(data: bytes) -> None:
    _read(data)


@given(
    st.lists(
        st.sampled_from(
            sorted(pickle.__dict__[n] for n in pickle.__all__ if n.isupper() and isinstance(pickle.__dict__[n], bytes))
        ),
        max_size=60,
    )
)
def test_random_opcodes_give_a_value_or_our_error(opcodes: list[bytes]) -> None:
    _read(b"\x80\x02" + b"".join(opcodes) + b".")


@pytest.fixture(scope="module")
def small_pickle(small_checkpoint: Path) -> bytes:
    """The pickle inside the small checkpoint."""
    with zipfile.ZipFile(small_checkpoint) as archive:
        return next(archive.read(n) for n in archive.namelist() if n.endswith("/data.pkl"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_pickle_gives_a_value_or_our_error(small_pickle: bytes, data: st.DataObject) -> None:
    mutated = bytearray(small_pickle)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        mutated[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    _read(bytes(mutated))


def _read(data: bytes) -> None:
    with contextlib.suppress(WeightsError):
        value = read_pickle(data)
        if isinstance(value, Record):
            state_dict(value)

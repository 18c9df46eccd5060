"""Small files made to exhaust memory or time are refused in one line, quickly and in little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bombs
import pytest
from claimed_classes import save_official
from official_format import Writer
from small_networks import ARRANGEMENTS
from torch import nn

from ffstereo_ros.errors import WeightsError
from ffstereo_ros.network.checkpoint import archive, pickle_reader
from ffstereo_ros.network.checkpoint.official import load_official
from ffstereo_ros.network.checkpoint.pickle_reader import read_pickle
from ffstereo_ros.network.checkpoint.records import printable

LIST = b"cbuiltins\nlist\nq\x00"
PARAMETER = b"ctorch._utils\n_rebuild_parameter\nq\x00"
MODULE = b"ccore.submodule\nBasicConv\nq\x00"
# Half a million elements in memo entry 1, and one short piece of pickle that has all of them copied or gone through.
MANY = b"]q\x01(" + b"N" * 500_000 + b"e0"
MANY_PARTS = b"(" + b"N" * 500_000 + b"tq\x010"
MANY_ARGUMENTS = b"(" + bombs.tensor() + b"N" * 500_000 + b"tq\x010"
MANY_ITEMS = b"}q\x01(" + b"".join(b"J" + i.to_bytes(4, "little") + b"N" for i in range(100_000)) + b"u0"
COPIES = {
    "list of a list": (LIST + b"0" + MANY + b"h\x01\x85q\x020" + b"h\x00h\x02R" * 100_000, "copies"),
    "state of an object": (MODULE + b"0" + MANY_ITEMS + b"h\x00)\x81h\x01b" * 100_000, "copies"),
    "keywords of an object": (MODULE + b"0" + MANY_ITEMS + b"h\x00)h\x01\x92" * 100_000, "copies"),
    "state in many parts": (MODULE + MANY_PARTS + b")\x81" + b"h\x01b" * 100_000, "more than two parts"),
    "arguments of a call": (PARAMETER + b"0" + MANY_ARGUMENTS + b"h\x00h\x01R" * 100_000, "more than 8 arguments"),
}


def _check(outcome: tuple[int, str], message: str) -> None:
    code, error = outcome
    assert (code, error.count("\n"), message in error) == (1, 1, True), error[-2000:]


@pytest.mark.parametrize("name", COPIES)
def test_what_is_copied_again_and_again(name: str, tmp_path: Path) -> None:
    content, message = COPIES[name]
    _check(bombs.read(tmp_path / "x.pkl", b"\x80\x02" + content + b"N."), message)


def test_copies_in_a_file_of_a_kilobyte(tmp_path: Path) -> None:
    path = bombs.save(tmp_path / "x.pth", b"\x80\x02" + COPIES["list of a list"][0] + b"N.")
    assert path.stat().st_size < 2000
    _check(bombs.convert(path), "copies more than 2000000 elements")


def test_nested_value_is_named_by_its_type(tmp_path: Path) -> None:
    """2^40 words, were it written out."""
    path = bombs.save(tmp_path / "x.pth", bombs.network(args=bombs.args("normalize", bombs.doubled(40))))
    _check(bombs.convert(path), "args.normalize is tuple, expected true or false")


@pytest.mark.parametrize("content", [bombs.holding_itself(), bombs.holding_twice(30)], ids=["itself", "twice"])
def test_modules_that_never_end(content: bytes, tmp_path: Path) -> None:
    modules = b"}" + bombs.text("stem_2") + content + b"s"
    _check(bombs.convert(bombs.save(tmp_path / "x.pth", bombs.network(_modules=modules))), "nest deeper")


def test_entry_that_unpacks_to_more_than_it_says(tmp_path: Path) -> None:
    path = bombs.save_understated(tmp_path / "x.pth", 1300)
    assert path.stat().st_size < 1_500_000
    _check(bombs.convert(path), "holds a dict")  # the two bytes it says


def test_long_class_names(tmp_path: Path) -> None:
    """One megabyte of name, put together anew for every object."""
    names = bombs.text("core." + "a" * 1_000_000) + b"q\x000" + bombs.text("BasicConv") + b"q\x010"
    _check(
        bombs.read(tmp_path / "x.pkl", b"\x80\x04" + names + b"h\x00h\x01\x93" * 100_000 + b"."), "a class of 1000014"
    )


def test_keys_of_one_hash(tmp_path: Path) -> None:
    """Multiples of 2^61 - 1 all hash to zero: each is compared with all before it."""
    prime = (1 << 61) - 1
    keys = b"".join(b"\x8a\x0b" + (i * prime).to_bytes(11, "little") + b"N" for i in range(1, 130_000))
    _check(bombs.read(tmp_path / "x.pkl", b"\x80\x02}(" + keys + b"u."), "a key is a number of more than 60 bits")


def test_memo_of_one_hash(tmp_path: Path) -> None:
    prime = (1 << 61) - 1
    puts = b"".join(b"p%d\n" % (i * prime) for i in range(1, 80_000))
    _check(bombs.read(tmp_path / "x.pkl", b"\x80\x02N" + puts + b"."), "impossible number")


def _holder(**members: bytes) -> bytes:
    return b"ccore.submodule\nFeature\n)\x81}(" + b"".join(bombs.text(k) + v for k, v in members.items()) + b"ub"


def test_one_table_of_many_empty_slots_in_many_modules(tmp_path: Path) -> None:
    table = b"}q\x01(" + b"".join(bombs.text(f"{i:x}") + b"N" for i in range(50_000)) + b"u0"
    child = b"h\x00)\x81h\x02b"
    children = b"}(" + b"".join(bombs.text(f"{i:x}") + child for i in range(15_000)) + b"u"
    state = b"}q\x02" + bombs.text("_modules") + b"h\x01s0"
    prefix = b"\x80\x02ccore.submodule\nFeature\nq\x000" + table + state
    path = bombs.save(tmp_path / "x.pth", prefix + bombs.network(_modules=children)[2:])
    _check(bombs.convert(path), "or their members more than")


def test_long_module_names(tmp_path: Path) -> None:
    """A name of half a megabyte, before that of each of ten thousand members."""
    leaves = b"}(" + b"".join(bombs.text(f"{i:x}") + b"h\x01" for i in range(10_000)) + b"u"
    leaf = _holder() + b"q\x010"
    inner = _holder(_modules=leaves)
    modules = b"}" + bombs.text("a" * 500_000) + inner + b"s"
    pickled = b"\x80\x02" + leaf + bombs.network(_modules=modules)[2:]
    _check(bombs.convert(bombs.save(tmp_path / "x.pth", pickled)), "has a member named")


@pytest.mark.parametrize("exception", [MemoryError, RecursionError])
def test_exhaustion_is_one_line(
    exception: type[Exception], small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> Any:
        raise exception

    monkeypatch.setattr("ffstereo_ros.network.checkpoint.official.derive_config", exhausted)
    with pytest.raises(WeightsError, match=rf"small\.pth: the file is damaged .*{exception.__name__}"):
        load_official(small_checkpoint, True)


HUGE = 1 << 20_000  # 6,021 digits; Python refuses to write out more than 4,300


@pytest.mark.parametrize("name", ["normalize", "max_disp", "corr_levels", "cv_group"])
def test_huge_number_in_args(name: str, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network(**{name: HUGE})
    root.__dict__.pop("cv_group")
    with pytest.raises(WeightsError, match="20001 bits"):
        load_official(save_official(root, tmp_path / "x.pth"), None if name == "normalize" else True)


def test_huge_disparity_without_tables(tmp_path: Path) -> None:
    """Nothing in the network limits it."""
    root = Writer(ARRANGEMENTS["searched"]).network(max_disp=1 << 40)
    root.cost_agg.post8_to_4.upsample[1] = nn.Identity()
    with pytest.raises(WeightsError, match=r"args\.max_disp: is 1099511627776 px, expected 32 to"):
        load_official(save_official(root, tmp_path / "x.pth"), True)


@pytest.mark.parametrize("scale", [HUGE, 1 << 2000, float("nan")], ids=["huge", "large", "nan"])
def test_odd_scale_of_positions(scale: float, tmp_path: Path) -> None:
    root = Writer(ARRANGEMENTS["searched"]).network()
    positions = [m for m in root.modules() if type(m).__name__ == "PositionalEncodingFourier"]
    positions[0].scale = scale
    with pytest.raises(WeightsError, match="has scale"):
        load_official(save_official(root, tmp_path / "x.pth"), True)


def test_huge_number_as_a_key() -> None:
    with pytest.raises(WeightsError, match="damaged"):
        read_pickle(b"\x80\x02}" + bombs.number(HUGE) + b"Ns.")


SHOWN = [
    ("a\nb", "a?b"),
    (7, "7"),
    (0.5, "0.5"),
    (True, "True"),
    (None, "None"),
    ((1, 2.5), "(1, 2.5)"),
    ([3], "[3]"),
    ((1,) * 9, "tuple"),
    (((),), "tuple"),
    ({}, "dict"),
    (b"abc", "bytes"),
    (HUGE, "a number of 20001 bits"),
    ((HUGE,), "(a number of 20001 bits)"),
    (ValueError("no\tgood"), "no?good"),
    ("x" * 500, "x" * 117 + "..."),
]


@pytest.mark.parametrize(("value", "shown"), SHOWN, ids=[shown[:30] for _, shown in SHOWN])
def test_printable(value: object, shown: str) -> None:
    assert printable(value) == shown


def test_real_files_stay_far_below_the_limit(golden_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The released arrangement copies a fortieth of what is allowed."""
    monkeypatch.setattr(pickle_reader, "MAX_COPIED", pickle_reader.MAX_COPIED // 40)
    with archive.CheckpointArchive(golden_checkpoint) as file:
        file.load()


def test_tensors_count_as_they_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half floats take twice their size once read."""
    root = Writer(ARRANGEMENTS["searched"]).network()
    root.context_zqr_convs = nn.ModuleList([nn.Linear(500_000, 1)])
    path = save_official(root.half(), tmp_path / "x.pth")
    total = sum(t.numel() * (4 if t.is_floating_point() else t.element_size()) for t in root.state_dict().values())
    monkeypatch.setattr(archive, "MAX_BYTES", total - 1000)
    with pytest.raises(WeightsError, match=r"its tensors up to .* unpack to more than the \d+ MiB allowed"):
        load_official(path, True)
    monkeypatch.setattr(archive, "MAX_BYTES", total)
    load_official(path, True)


def test_storage_shorter_than_stated(small_checkpoint: Path, tmp_path: Path) -> None:
    """The directory of the zip file says one size, the data end before."""
    path = bombs.save_overstated(small_checkpoint, tmp_path / "x.pth", "data/7")
    with pytest.raises(WeightsError, match="damaged or cut short"):
        load_official(path, True)

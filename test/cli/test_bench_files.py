"""Where figures cannot go is told before anything is measured, by every benchmark alike."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import pytest

from ffstereo_ros.cli import bench
from ffstereo_ros.cli.main import main

_MEASURED = "it was measured"


@pytest.fixture(autouse=True)
def _nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(args: argparse.Namespace) -> int:
        print(_MEASURED)
        return 0

    for name in bench._BENCHES:
        monkeypatch.setattr(importlib.import_module(f"ffstereo_ros.cli.{name}"), "run", run)


@pytest.mark.parametrize("option", ["--json", "--report"])
@pytest.mark.parametrize("what", ["node", "network", "soak", "kernels", "warm-start somewhere", "scenes"])
def test_a_folder_that_is_not_there(what: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *what.split(), option, str(tmp_path / "nope" / "x.json")]) == 1
    told = capsys.readouterr()
    reason = f"there is no folder {tmp_path}/nope; make it, or name another"
    assert told.err == f"ffstereo bench: {option} {tmp_path}/nope/x.json: {reason}\n"
    assert told.out == ""


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("", "is a folder; name a file in it"),
        ("a_file/x.json", "there is no folder"),
    ],
)
def test_what_cannot_be_a_file(file: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a_file").touch()
    assert main(["bench", "scenes", "--report", str(tmp_path / file)]) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("there", [False, True])
def test_what_may_not_be_written(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file, or the folder of one that is still to be made."""
    file = tmp_path / "x.json"
    if there:
        file.touch()
    forbidden = file if there else tmp_path
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != forbidden)  # root may write everywhere
    assert main(["bench", "scenes", "--json", str(file)]) == 1
    assert f"--json {file}: {forbidden} cannot be written" in capsys.readouterr().err


def test_where_figures_can_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.md").touch()
    assert main(["bench", "scenes", "--json", str(tmp_path / "new.json"), "--report", str(tmp_path / "old.md")]) == 0
    assert _MEASURED in capsys.readouterr().out
    assert not (tmp_path / "new.json").exists()

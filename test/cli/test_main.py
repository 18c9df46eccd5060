"""What every command shares: refusals, the system's errors and missing packages are one line, and help always works."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from bare_python import ffstereo_without

from ffstereo_ros.cli import weights
from ffstereo_ros.cli.main import main

_OPENCV = "OpenCV is not installed: pip install opencv-python-headless, or apt install python3-opencv with ROS 2"


def _raise(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def run(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(weights, "run", run)
    return main(["weights", "list"])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/root/x"), "/root/x: Permission denied"),
        (FileExistsError(17, "File exists", "a", None, "b"), "a -> b: File exists"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("cannot read\nthe stream"), "cannot read the stream"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_of_the_system_is_one_line(
    error: OSError, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _raise(error, monkeypatch) == 1
    assert capsys.readouterr().err == f"ffstereo weights: {line}\n"


def test_a_full_disk_without_a_path_names_where_results_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        args.output = Path("there")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "run", run)
    assert main(["weights", "list"]) == 1
    line = "No space left on device; results go to there: free space there or choose another folder"
    assert capsys.readouterr().err == f"ffstereo weights: {line}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), _OPENCV),
        (
            ModuleNotFoundError("No module named 'sensor_msgs.msg'", name="sensor_msgs.msg"),
            "sensor_msgs is not installed: source a ROS 2 that has it, or run `make demo` in the repository",
        ),
        (
            ImportError("libGL.so.1: cannot open shared object file\nmore", name="cv2"),
            "OpenCV does not load (libGL.so.1: cannot open shared object file): pip install opencv-python-headless",
        ),
    ],
)
def test_a_package_that_is_missing_or_broken_is_named(
    error: ImportError, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _raise(error, monkeypatch) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"ffstereo weights: {line}")
    assert told.count("\n") == 1


def test_a_mistake_of_our_own_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError):
        _raise(ModuleNotFoundError("No module named 'ffstereo_ros.x'", name="ffstereo_ros.x"), monkeypatch)


def test_help_and_what_needs_no_opencv_work_without_it(tmp_path: Path) -> None:
    told = ffstereo_without("cv2", "--help")
    assert told.returncode == 0, told.stderr
    assert "weights to a TensorRT engine" in told.stdout
    assert _OPENCV.split(":")[0] in " ".join(told.stdout.split())
    assert ffstereo_without("cv2", "build-engine", "--help").returncode == 0
    listed = ffstereo_without("cv2", "weights", "list")
    assert listed.returncode == 0, listed.stderr
    assert "mini  (shipped" in listed.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["doctor"],
        ["infer", "--scale", "2", "left.png", "right.png", "--output", "out"],
        ["bench", "warm-start", "--limit", "4", "somewhere"],
    ],
)
def test_what_needs_opencv_names_it(command: list[str]) -> None:
    told = ffstereo_without("cv2", *command)
    assert told.returncode == 1
    assert told.stderr == f"ffstereo {command[0]}: {_OPENCV}\n"


def test_an_option_that_does_not_exist_is_refused_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["weights", "list", "--frobnicate"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --frobnicate" in capsys.readouterr().err

"""Calibration files of a rectified pair: CameraInfo YAML, ``calib.json`` of a scene folder, two-line ``K.txt``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import InputFileError


def read_camera(path: Path | str, width: int, height: int) -> StereoCamera:
    """Reads the calibration of a rectified pair for images of ``width x height`` px.

    Accepted:
        * a folder with ``left.yaml`` and ``right.yaml``, or ``LEFT.yaml,RIGHT.yaml``: CameraInfo as written by
          camera_calibration (``projection_matrix``) or by ``ros2 topic echo`` (``p``);
        * a folder with neither of them but ``calib.json``;
        * ``*.json`` with fx, fy, cx, cy (px), baseline_m (m), doffs (px, cx_right - cx_left);
        * ``*.txt`` with nine intrinsics on the first line and the baseline in m on the second.

    Raises:
        InputFileError: missing, unreadable, or without a value that depth needs.
        CalibrationError: the values are no rectified pair.
    """
    text = str(path)
    left, comma, right = text.partition(",")
    if comma:
        return _from_yaml_pair(Path(left), Path(right), width, height)
    path = Path(path)
    if path.is_dir():
        return _from_folder(path, width, height)
    readers: dict[str, Callable[[Path, int, int], StereoCamera]] = {".json": _from_json, ".txt": _from_k_txt}
    if path.suffix not in readers:
        raise InputFileError(
            f"camera {path}: give calib.json, K.txt, a folder with calib.json or left.yaml and right.yaml, or "
            "LEFT.yaml,RIGHT.yaml"
        )
    return readers[path.suffix](path, width, height)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFileError(f"camera {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputFileError(f"camera {path}: cannot be read: {error}") from error


def _from_folder(folder: Path, width: int, height: int) -> StereoCamera:
    left, right, calibration = (folder / name for name in ("left.yaml", "right.yaml", "calib.json"))
    if left.is_file() or right.is_file():
        return _from_yaml_pair(left, right, width, height)
    if calibration.is_file():
        return _from_json(calibration, width, height)
    raise InputFileError(f"camera {folder}: neither calib.json nor left.yaml and right.yaml in it; name the file")


def _from_yaml_pair(left: Path, right: Path, width: int, height: int) -> StereoCamera:
    P_left, P_right = (_projection_of_yaml(path, width, height) for path in (left, right))
    return StereoCamera.from_projections(P_left, P_right, width, height)


def _projection_of_yaml(path: Path, width: int, height: int) -> list[float]:
    try:
        # ros2 topic echo ends a message with "---": the first document is the message.
        document = next(iter(yaml.safe_load_all(_read_text(path))), None)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date that is none
        raise InputFileError(f"camera {path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise InputFileError(f"camera {path}: no CameraInfo in it")
    size = (document.get("image_width", document.get("width")), document.get("image_height", document.get("height")))
    if None not in size and size != (width, height):
        raise InputFileError(
            f"camera {path}: calibrated for {size[0]}x{size[1]} px but the image is {width}x{height} px"
        )
    matrix = document.get("projection_matrix", document.get("p", document.get("P")))
    values = matrix.get("data") if isinstance(matrix, dict) else matrix
    if not isinstance(values, list):
        raise InputFileError(f"camera {path}: no projection_matrix (or p) of 12 values in it")
    return _numbers(values, path)


def _from_json(path: Path, width: int, height: int) -> StereoCamera:
    names = ("fx", "fy", "cx", "cy", "baseline_m", "doffs")
    values = _json_object(path, names)
    missing = [name for name in names if values.get(name) is None]
    if missing:
        raise InputFileError(f"camera {path}: {', '.join(missing)} unknown; depth needs them, disparity does not")
    fx, fy, cx, cy, baseline, doffs = _numbers([values[name] for name in names], path)
    calibrated = (values.get("width") or width, values.get("height") or height)  # null: unknown
    if calibrated != (width, height):
        raise InputFileError(
            f"camera {path}: calibrated for {calibrated[0]}x{calibrated[1]} px but the image is {width}x{height} px"
        )
    return StereoCamera(width, height, fx, fy, cx, cx + doffs, cy, baseline)


def _json_object(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    try:
        values = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"camera {path}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputFileError(f"camera {path}: holds no object; one with {', '.join(names)} is needed")
    return values


def _from_k_txt(path: Path, width: int, height: int) -> StereoCamera:
    lines = [line.split() for line in _read_text(path).splitlines() if line.strip()]
    if len(lines) < 2 or len(lines[0]) != 9 or len(lines[1]) != 1:
        raise InputFileError(f"camera {path}: nine intrinsics on the first line and the baseline in m on the second")
    K = np.reshape(_numbers(lines[0], path), (3, 3))
    (baseline,) = _numbers(lines[1], path)
    return StereoCamera(width, height, K[0, 0], K[1, 1], K[0, 2], K[0, 2], K[1, 2], baseline)


def _numbers(values: list[Any], path: Path) -> list[float]:
    try:
        return [float(value) for value in values]
    except (OverflowError, TypeError, ValueError) as error:
        raise InputFileError(f"camera {path}: {error}: only numbers are allowed") from error

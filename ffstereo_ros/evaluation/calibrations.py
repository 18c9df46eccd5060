"""Calibration files of the public data sets as a ``StereoCamera``; the package's own are read by ``files.cameras``."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.files.cameras import read_camera


def read_any_camera(path: str | Path, width: int, height: int) -> StereoCamera:
    """As ``files.cameras.read_camera``, and a ``calib.txt`` of Middlebury, ETH3D or KITTI as well.

    Raises:
        InputFileError: missing, unreadable, or of no known kind.
        CalibrationError: the values are no rectified pair.
    """
    file = Path(path)
    if file.suffix == ".txt" and file.is_file():
        text = _read(file)
        if "cam0" in text:
            return read_middlebury(file)
        if re.search(r"^P\w*:", text, re.MULTILINE):
            return read_kitti(file, width, height)
    return read_camera(path, width, height)


def read_middlebury(path: Path) -> StereoCamera:
    """``calib.txt`` of Middlebury 2014 and 2021 and of ETH3D: cam0, cam1, doffs px, baseline mm, width, height.

    ``Z = baseline * f / (d + doffs)`` (Scharstein et al., GCPR 2014, and the data set's own page).
    """
    values = _values(path)
    try:
        cam0, cam1 = _matrix(values["cam0"]), _matrix(values["cam1"])
        offset = float(values["doffs"]) if "doffs" in values else cam1[0, 2] - cam0[0, 2]
        size = int(values["width"]), int(values["height"])
        baseline = float(values["baseline"]) / 1000.0
    except (KeyError, ValueError) as error:
        raise InputFileError(f"{path}: not a calib.txt of Middlebury or ETH3D ({error!r})") from error
    cx = float(cam0[0, 2])
    return StereoCamera(*size, float(cam0[0, 0]), float(cam0[1, 1]), cx, cx + offset, float(cam0[1, 2]), baseline)


def middlebury_bound(path: Path) -> int | None:
    """The disparities a ``calib.txt`` says are enough (``ndisp``), px, or None where it says nothing.

    Raises:
        InputFileError: it cannot be read, or its ``ndisp`` is no number above 0.
    """
    stated = _values(path).get("ndisp")
    if stated is None:
        return None
    try:
        bound = math.ceil(float(stated))
    except (OverflowError, ValueError):
        bound = 0
    if bound < 1:
        raise InputFileError(f"{path}: ndisp={stated}: a number of px above 0 is needed, or no such line")
    return bound


def _values(path: Path) -> dict[str, str]:
    """The ``name=value`` lines of a ``calib.txt``."""
    lines = (line.partition("=") for line in _read(path).splitlines())
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


def read_kitti(path: Path, width: int, height: int) -> StereoCamera:
    """KITTI's projection matrices of the colour pair: ``P_rect_02/03`` (2015) or ``P2/P3`` (2012, odometry).

    Falls back to the grey pair (``P0/P1``) where only that is there.
    """
    lines = (line.partition(":") for line in _read(path).splitlines())
    matrices = {name.strip(): value.split() for name, colon, value in lines if colon}
    for left, right in (("P_rect_02", "P_rect_03"), ("P2", "P3"), ("P_rect_00", "P_rect_01"), ("P0", "P1")):
        if left in matrices and right in matrices:
            P_left, P_right = (_projection(path, name, matrices[name]) for name in (left, right))
            return StereoCamera.from_projections(P_left, P_right, width, height)
    raise InputFileError(f"{path}: no pair of projection matrices (P_rect_02/03, P2/P3, P0/P1) in it")


def _projection(path: Path, name: str, words: list[str]) -> NDArray[np.float64]:
    try:
        return np.array(words, dtype=np.float64)
    except ValueError as error:
        raise InputFileError(f"{path}: {name}: {error}: only numbers are allowed") from error


def _matrix(text: str) -> NDArray[np.float64]:
    """``[f 0 cx; 0 f cy; 0 0 1]`` as an array ``[3, 3]``."""
    rows = [[float(word) for word in row.split()] for row in text.strip("[] ").split(";")]
    if [len(row) for row in rows] != [3, 3, 3]:
        raise ValueError(f"{text} has no three rows of three")
    return np.array(rows)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path}: cannot be read as a calibration ({error})") from error

"""Small scenes whose truth is known, and ``ffstereo evaluate`` over them."""

from __future__ import annotations

import json

import cv2
import numpy as np

from ffstereo_ros.cli.main import main


def make_scene(folder, shift=8, height=64, width=160, calibrated=True, truth=True):
    """A textured wall ``shift`` px in front; the truth has a hole."""
    folder.mkdir(parents=True)
    wide = np.random.default_rng(shift).integers(0, 256, (height, width + shift, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "left.png"), wide[:, :width])
    cv2.imwrite(str(folder / "right.png"), wide[:, shift:])
    stored = np.full((height, width), 256 * shift, np.uint16)
    stored[:4] = 0
    if truth:
        cv2.imwrite(str(folder / "disp.png"), stored)
    if calibrated:
        values = {
            "fx": 100,
            "fy": 100,
            "cx": 80,
            "cy": 32,
            "baseline_m": 0.4,
            "doffs": 2,
            "width": width,
            "height": height,
        }
        (folder / "calib.json").write_text(json.dumps(values))
    return folder


def evaluate(scenes, output, *more):
    return main(["evaluate", str(scenes), "--output", str(output), "--backend", "sgbm", "--max-disparity", "32", *more])

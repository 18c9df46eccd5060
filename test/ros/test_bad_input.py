"""One node lives through everything a broken camera can send: one line, one count, and the next good frame passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ros_rig import BASELINE, CX_LEFT, CX_RIGHT, HEIGHT, SHIFT, WIDTH, Frame, Rig, camera_info, good_frame, image
from ros_rig import plane as plane_pair

from ffstereo_ros.ros.processes import ModuleProcess

LEFT, RIGHT = plane_pair()


def _infos(**right: float) -> dict[str, object]:
    return {"right_info": camera_info(**{"cx": CX_RIGHT, "t": BASELINE, **right})}


def _nan_in_p() -> Frame:
    frame = good_frame()
    frame.left_info.p[5] = float("nan")
    return frame


def _truncated() -> Frame:
    frame = good_frame()
    frame.right.data = frame.right.data[:-1]
    return frame


# What is sent, what the line must say, and the cause it is counted under.
BAD: dict[str, tuple[Callable[[], Frame], str, str]] = {
    "zero baseline": (lambda: good_frame(**_infos(t=0.0)), "baseline = 0 m", "bad_calibration"),
    "swapped baseline": (
        lambda: good_frame(**_infos(t=-BASELINE)),
        "baseline = -0.1 m: must be above 0",
        "bad_calibration",
    ),
    "uncalibrated": (
        lambda: good_frame(left_info=camera_info(f=0.0), right_info=camera_info(f=0.0)),
        "P_left has f = 0, fy = 0 px",
        "bad_calibration",
    ),
    "NaN in P": (_nan_in_p, "P_left holds NaN or infinity", "bad_calibration"),
    "sizes differ": (
        lambda: good_frame(right=image(RIGHT[:, :-2])),
        f"left image is {WIDTH}x{HEIGHT} px and right {WIDTH - 2}x{HEIGHT} px",
        "bad_image",
    ),
    "size is not CameraInfo's": (
        lambda: good_frame(left_info=camera_info(2 * WIDTH, HEIGHT)),
        f"left image is {WIDTH}x{HEIGHT} px but its camera_info says {2 * WIDTH}x{HEIGHT} px",
        "bad_calibration",
    ),
    "unknown encoding": (lambda: good_frame(left=image(LEFT, "no_such")), "encoding 'no_such'", "bad_image"),
    "truncated": (_truncated, "it is truncated", "bad_image"),
    "short step": (lambda: good_frame(left=image(LEFT, step=WIDTH - 1)), "step = 159 bytes", "bad_image"),
    "no pixels": (lambda: good_frame(left=image(LEFT, width=0)), "it has no pixels", "bad_image"),
    "1x1": (
        lambda: Frame(image(LEFT[:1, :1]), image(RIGHT[:1, :1]), camera_info(1, 1), camera_info(1, 1, t=BASELINE)),
        "image is 1x1 px: stereo needs at least 32x32 px",
        "bad_image",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_is_told_counted_and_survived(name: str, lasting_rig: Rig, lasting_node: ModuleProcess) -> None:
    make, line, cause = BAD[name]
    rig, key = lasting_rig, f"dropped_{cause}"
    before = int(rig.status.get(key, 0))
    frame = make()
    with rig.sending(lambda: rig.send(frame), period=0.05):
        rig.spin_until(lambda: int(rig.status.get(key, 0)) > before + 3, what=f"{key} to rise")
    rig.spin_until(lambda: line in rig.status["message"], what=f"diagnostics that say {line!r}")
    assert rig.status["level"] == str(b"\x01")
    log = lasting_node.tail(1000)
    assert log.count(line) == 1, log  # once, not once a frame
    rig.answer("disparity", good_frame())


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_big_endian_16_bit_is_read_right(encoding: str, lasting_rig: Rig, lasting_node: ModuleProcess) -> None:
    sixteen = [image((each.astype(">u2") << 2).astype(">u2"), encoding, is_bigendian=1) for each in (LEFT, RIGHT)]
    answer = lasting_rig.answer("disparity", good_frame(left=sixteen[0], right=sixteen[1]))
    values = np.frombuffer(answer.image.data, np.float32).reshape(HEIGHT, WIDTH)
    np.testing.assert_allclose(values[8:-8, SHIFT + 8 : -8], SHIFT + CX_RIGHT - CX_LEFT, atol=0.07)


def test_12_megapixels_are_processed(lasting_rig: Rig, lasting_node: ModuleProcess) -> None:
    width, height = 4096, 3000
    frame = good_frame(width, height)
    rig = lasting_rig
    # A best-effort image of 12 MB may be lost: another every 5 s.
    with rig.sending(lambda: rig.send(frame), period=5.0):
        rig.spin_until(lambda: any(m.image.width == width for m in rig.received["disparity"]), 60, "12 Mpx answered")
    rig.received["disparity"].clear()
    rig.answer("disparity", good_frame(), seconds=60)

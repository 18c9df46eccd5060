"""Is this a rectified pair that depth can be computed from? Judged from its images and its calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.evaluation.findings import Finding
from ffstereo_ros.evaluation.pair_matches import PairMatches, join, match_features
from ffstereo_ros.params import BY_NAME

Uint8Image = NDArray[np.uint8]

# Fewer matches than this prove nothing.
_ENOUGH = 30
# Row offsets in px: below the first a matcher does not notice, above the second depth is wrong.
_ROWS_FINE, _ROWS_WRONG = 0.5, 1.0
# Grey values of the same points may differ by this factor; networks and SGBM bear that much.
_GAIN = 1.25
# Disparities may be this far below 0 px, px: a far point and noise.
_NOISE = 0.5
# Baselines of stereo cameras, m: of an endoscope, and of a ship.
_BASELINE = (0.001, 3.0)
# Wider angles of view are no rectified camera's, degrees.
_WIDEST = 150.0
# Median depths of robots and handheld cameras, m. Microscopes look nearer and aircraft further, with a baseline that is
# usual still; that of a wrong unit (mm, cm, inch) is not.
_DEPTHS = (0.05, 200.0)
# Share of white pixels in % beyond which more than the sky is lost.
_CLIPPED = 30.0


# The parameter max_disparity is a multiple of this, and at most that, model px.
_SEARCH_STEP, _SEARCH_MOST = BY_NAME["max_disparity"].step or 1, BY_NAME["max_disparity"].high or math.inf


@dataclass(frozen=True)
class SearchRange:
    """How far a matcher looks.

    Attributes:
        reach: largest disparity it finds, px of the left image.
        scale: model px per px of the left image; the parameter max_disparity counts model px.
    """

    reach: float
    scale: float = 1.0

    def __str__(self) -> str:
        scaled = "" if self.scale == 1 else f" (max_disparity {self.reach * self.scale:g} px at scale {self.scale:g})"
        return f"{self.reach:.0f} px are searched{scaled}"


def check_pair(
    frames: list[tuple[Uint8Image, Uint8Image]], camera: StereoCamera | None, search: SearchRange
) -> list[Finding]:
    """All findings about a pair of cameras.

    Args:
        frames: one or several frames, uint8 ``[H, W, 3]`` RGB left and right.
        camera: or None where it is not known.
        search: of the matcher that is to run.
    """
    left, right = frames[0]
    if left.shape != right.shape:
        sizes = f"left {left.shape[1]}x{left.shape[0]} px, right {right.shape[1]}x{right.shape[0]} px"
        return [Finding("bad", "size", sizes, "a rectified pair has one size; use both image_rect topics")]
    matches = join([match_features(*frame) for frame in frames])
    sound, rows = judge_rows(matches, left.shape[1], left.shape[0])
    return [
        rows,
        *_order(sound, camera),
        *_exposure(frames, sound),
        *check_camera(camera, left.shape[1], left.shape[0]),
        *_range(sound, camera, search, left.shape[1]),
    ]


def judge_rows(matches: PairMatches, width: int, height: int) -> tuple[PairMatches, Finding]:
    """The matches without outliers, and whether both images show the same rows.

    A plane is fitted to the row offsets, ``dy = a + b x + c y``; ``a`` at the image centre is a wrong height or pitch,
    ``b`` a roll, ``c`` a difference in scale. The largest offset at a corner of the matched region decides.
    """
    sound, (offset, roll, stretch), spread = _fit_rows(matches, width, height)
    if len(sound) < _ENOUGH:
        text = f"only {len(sound)} sound feature matches: row alignment cannot be judged"
        return sound, Finding("warn", "rows", text, "point the cameras at something with texture, closer and brighter")
    centred = sound.left - (width / 2, height / 2)
    # 5 % to 95 %: the plane holds where it was measured, and a corner match may be an outlier.
    x, y = np.percentile(centred, (5, 95), axis=0).T
    corners = [offset + roll * u + stretch * v for u in x for v in y]
    worst = max(corners, key=abs)
    lies = "lower" if offset > 0 else "higher"
    text = (
        f"row offset {offset:+.2f} px at the image centre (the right image lies {lies}), {worst:+.2f} px at worst, "
        f"scatter {spread:.2f} px, from {len(sound)} matches"
    )
    if abs(worst) <= _ROWS_FINE:
        return sound, Finding("ok", "rows", text)
    if abs(worst) <= _ROWS_WRONG:
        return sound, Finding("note", "rows", text, "fine for most uses; recalibrate for the best depth")
    remedy = "not rectified: recalibrate, and use both image_rect topics with their own camera_info"
    if abs(worst - offset) > 2 * abs(offset):
        remedy = "rotated or scaled against each other: " + remedy
    return sound, Finding("bad", "rows", text, remedy)


def _fit_rows(matches: PairMatches, width: int, height: int) -> tuple[PairMatches, tuple[float, float, float], float]:
    """Matches near the common plane of row offsets, the plane at the image centre, and the scatter (1.48 MAD), px."""
    keep = _dense_rows(matches.row_offset)
    plane: NDArray[Any] = np.zeros(3)
    for _ in range(5):
        chosen = matches.kept(keep)
        if len(chosen) < _ENOUGH:
            break
        terms = np.column_stack((np.ones(len(chosen)), chosen.left - (width / 2, height / 2)))
        plane = np.linalg.lstsq(terms, chosen.row_offset, rcond=None)[0]
        every = np.column_stack((np.ones(len(matches)), matches.left - (width / 2, height / 2)))
        residual = np.abs(matches.row_offset - every @ plane)
        spread = 1.4826 * float(np.median(residual[keep]))
        keep = residual <= max(3 * spread, 1.0)
    chosen = matches.kept(keep)
    if len(chosen) < _ENOUGH:
        return chosen, (0.0, 0.0, 0.0), math.nan
    return chosen, (float(plane[0]), float(plane[1]), float(plane[2])), spread


def _dense_rows(offsets: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The densest band of row offsets, 24 px high: wrong matches spread over the whole image."""
    if offsets.size == 0:
        return np.zeros(0, dtype=np.bool_)
    ordered = np.sort(offsets)
    inside = np.searchsorted(ordered, ordered + 24.0, side="right") - np.arange(ordered.size)
    low = ordered[int(np.argmax(inside))]
    return np.asarray((offsets >= low) & (offsets <= low + 24.0))


def _order(matches: PairMatches, camera: StereoCamera | None) -> list[Finding]:
    """Points lie further left in the right image: d + cx_right - cx_left > 0; and what is searched is d >= 0.

    An offset of the principal points may hide a wrong order from the first, never from the second.
    """
    if len(matches) < _ENOUGH:
        return []
    offset = 0.0 if camera is None else camera.cx_offset
    low, middle, high = np.percentile(matches.disparity, (2, 50, 98))
    share = 100.0 * float((matches.disparity + offset > -_NOISE).mean())
    if middle < -_NOISE:
        text = f"disparities {low:.1f} to {high:.1f} px (2 % to 98 % of matches): nothing below 0 px is searched"
        remedy = "left and right are swapped: exchange the two topics or files"
        if share >= 95 and offset > _NOISE:
            remedy += f"; or, if they are not, rectify anew with cx_right = cx_left (now {offset:+.1f} px)"
        return [Finding("bad", "order", text, remedy)]
    text = f"{share:.1f} % of matches lie further left in the right image"
    if share >= 95:
        return [Finding("ok", "order", text)]
    if share <= 20:
        text += f" than cx_right - cx_left = {offset:+.1f} px lets them"
        return [Finding("bad", "order", text, "the principal points are wrong: check both P matrices")]
    return [Finding("warn", "order", text, "many wrong matches, or the principal points differ: check both P matrices")]


def _exposure(frames: list[tuple[Uint8Image, Uint8Image]], matches: PairMatches) -> list[Finding]:
    findings = []
    for index, side in enumerate(("left", "right")):
        clipped = 100.0 * float(np.mean([(frame[index].max(axis=2) >= 254).mean() for frame in frames]))
        dark = float(np.mean([frame[index].mean() for frame in frames]))
        if clipped > _CLIPPED:
            findings.append(Finding("warn", "exposure", f"{clipped:.0f} % of the {side} image is white", "expose less"))
        if dark < 25:
            text = f"{side} image has a mean grey value of {dark:.0f} of 255"
            findings.append(Finding("note", "exposure", text, "expose longer or add light, if depth is noisy"))
    if len(matches) >= _ENOUGH:
        gain = float(np.median((matches.grey_right + 1) / (matches.grey_left + 1)))
        text = f"the same points are {gain:.2f} times as bright in the right image"
        alike = 1 / _GAIN <= gain <= _GAIN
        remedy = "" if alike else "give both cameras the same exposure and gain (automatic exposure on one, copied)"
        findings.append(Finding("ok" if alike else "warn", "exposure", text, remedy))
    return findings


def check_camera(camera: StereoCamera | None, width: int, height: int) -> list[Finding]:
    """Do focal length, principal point and baseline fit an image of ``width`` x ``height`` px?"""
    if camera is None:
        return [Finding("note", "calibration", "not known: disparity only, no depth", "give --camera")]
    view = _view(camera, width)
    text = f"f {camera.f:.1f} px ({view:.0f} degrees wide), baseline {camera.baseline:.4f} m"
    findings = []
    across, down = camera.cx_left / width, camera.cy / height
    if not (0.3 <= across <= 0.7 and 0.3 <= down <= 0.7):
        where = f"principal point at {100 * across:.0f} % of the width and {100 * down:.0f} % of the height"
        factor = 2 ** round(math.log2(max(across, 1e-3) / 0.5))
        looks = f", as of an image {factor:g} times this size" if factor != 1 and abs(across - down) < 0.25 else ""
        remedy = "send the CameraInfo of the size that is sent: f, cx, cy scale with the image, the baseline does not"
        findings.append(Finding("bad", "calibration", where + looks, remedy))
    if not 15 <= view <= _WIDEST:
        remedy = "check that f belongs to this image size; depth is wrong by the same factor"
        findings.append(Finding("warn", "calibration", f"{text}: an unusual angle of view", remedy))
    if not _BASELINE[0] <= camera.baseline <= _BASELINE[1]:
        remedy = "P_right[3] = -f * baseline with the baseline in m; 1000 times too much means mm"
        findings.append(Finding("warn", "calibration", f"{text}: an unusual baseline", remedy))
    return findings or [Finding("ok", "calibration", text)]


def _view(camera: StereoCamera, width: int) -> float:
    """Horizontal angle of view, degrees."""
    return math.degrees(2 * math.atan(width / (2 * camera.f)))


def _range(matches: PairMatches, camera: StereoCamera | None, search: SearchRange, width: int) -> list[Finding]:
    """Do the disparities at hand fit the search range, and the depths the world?"""
    if len(matches) < _ENOUGH:
        return []
    low, middle, high = np.percentile(matches.disparity, (2, 50, 98))
    if middle < -_NOISE:
        return []  # `_order` has told
    text = f"disparities {low:.1f} to {high:.1f} px (2 % to 98 % of matches)"
    findings = []
    if high > search.reach:
        findings.append(Finding("warn", "range", f"{text}, {search}", _longer_search(high, search)))
    offset = 0.0 if camera is None else camera.cx_offset
    if camera is not None and offset > _NOISE and low < -_NOISE <= middle:
        remedy = f"points beyond {camera.focal_baseline / offset:.2f} m are lost: rectify anew with cx_right = cx_left"
        findings.append(Finding("warn", "range", f"{text}, nothing below 0 px is searched", remedy))
    if camera is not None and middle + offset > 0:
        far, near = (camera.focal_baseline / max(d + offset, 1e-3) for d in (max(low, 0.1), high))
        typical = camera.focal_baseline / (middle + offset)
        text += f", depths {near:.4g} to {far:.4g} m, median {typical:.4g} m"
        findings += _world(text, typical, camera, width)
    return findings or [Finding("ok", "range", text)]


def _world(text: str, typical: float, camera: StereoCamera, width: int) -> list[Finding]:
    """Is the median depth, m, one of this world? A unit that is wrong is so in the calibration too."""
    nearest, farthest = _DEPTHS
    if nearest <= typical <= farthest:
        return []
    told = f"{text}, outside {nearest:g} to {farthest:g} m"
    if _BASELINE[0] <= camera.baseline <= _BASELINE[1] and _view(camera, width) <= _WIDEST:
        remedy = "fine for a microscope or from the air; else check f and the unit of the baseline (m)"
        return [Finding("warn", "range", told, remedy)]
    told += f" with a baseline of {camera.baseline:.4g} m and f of {camera.f:.4g} px"
    remedy = "a unit is wrong: give the baseline in m (193 mm are 0.193) and f in px"
    return [Finding("bad", "range", told, remedy)]


def _longer_search(wanted: float, search: SearchRange) -> str:
    """How to find disparities of ``wanted`` px of the left image."""
    enough = math.ceil(wanted * search.scale / _SEARCH_STEP) * _SEARCH_STEP
    if enough <= _SEARCH_MOST:
        return f"nearer points are lost: raise max_disparity to {enough:g} px or lower scale"
    fitting = math.floor(100 * _SEARCH_MOST / wanted) / 100
    return f"nearer points are lost: max_disparity {_SEARCH_MOST:g} px with scale {fitting:g} finds them"

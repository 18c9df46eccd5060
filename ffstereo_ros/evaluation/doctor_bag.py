"""Is this recording fit for stereo: topics, stamps, rate, QoS, calibration, and the pair in a few of its frames?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.evaluation.bag_damage import recorded_files
from ffstereo_ros.evaluation.bag_frames import Decoders, FrameStream, StereoFrame, stamp_of
from ffstereo_ros.evaluation.bags import Bag, StereoTopics, find_topics
from ffstereo_ros.evaluation.doctor_pair import SearchRange, check_pair
from ffstereo_ros.evaluation.findings import Finding

# From width and height of the left image in px to the camera.
CameraOf = Callable[[int, int], StereoCamera]

# A minute of 30 Hz shows what is wrong with a driver; more would make a long bag wait.
_STAMPS, _FRAMES = 1800, 5

# Left and right images further apart than this are no pair: in s, and in periods, so that where an image is lost its
# partner does not meet the next one; cameras that run freely are up to half a period apart.
_APART, _APART_PERIODS = 0.1, 0.49

# Beyond this many periods a partner is lost. Without a loss, cameras that run freely are up to half a period apart, and
# jitter takes some of them a little further.
_LOST_PERIODS = 0.6
# Share of pairs whose stamps may differ before the cameras, and not a hiccup, are to blame.
_FEW = 0.2


@dataclass
class Stamps:
    """Header stamps of one topic, ns, in the order they came."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)


@dataclass
class _Chosen:
    """Frames to look at, and what was met on the way.

    Attributes:
        apart: largest difference between left and right stamp that made a pair, s.
        frames: a few of them, spread over the part that was read.
        cameras: all that were met.
        refused: frames that could not be used, by reason.
    """

    apart: float
    frames: list[StereoFrame] = field(default_factory=list)
    cameras: set[StereoCamera | None] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=dict)


def check_bag(
    bag: Bag,
    decoders: Decoders,
    search: SearchRange,
    *,
    camera: CameraOf | None = None,
    left: str = "",
    right: str = "",
) -> list[Finding]:
    """All findings about an open bag.

    Args:
        decoders: from messages to arrays.
        search: of the matcher that is to run.
        camera: takes the place of the bag's own CameraInfo.
        left, right: image topics; empty = found by name.

    Raises:
        InputFileError: the bag or the calibration is damaged.
    """
    try:
        topics = find_topics(bag.types, left=left, right=right)
    except FFStereoError as error:
        return [Finding("bad", "topics", str(error))]
    stamps = _stamps(bag, topics)
    return [
        *_topics(bag, topics),
        *judge_stamps(stamps),
        *_qos(bag, topics),
        *_check_frames(_choose(bag, topics, decoders, stamps), topics, search, camera),
    ]


def _topics(bag: Bag, topics: StereoTopics) -> list[Finding]:
    counts = ", ".join(f"{bag.count(name)} on {name}" for name in (topics.left, topics.right))
    findings = [Finding("ok", "topics", f"{counts}; {bag.seconds:.1f} s")]
    if not (topics.left_info and topics.right_info):
        missing = " and ".join(
            side for side, name in (("left", topics.left_info), ("right", topics.right_info)) if not name
        )
        remedy = "record camera_info beside each image: without it there is no depth"
        findings.append(Finding("bad", "topics", f"no camera_info for the {missing} camera", remedy))
    if "rect" not in topics.left:
        remedy = "rectify first (image_proc) unless the camera does so itself; the line 'rows' tells"
        findings.append(Finding("note", "topics", f"{topics.left} does not say that it is rectified", remedy))
    return findings


def _stamps(bag: Bag, topics: StereoTopics) -> Stamps:
    stamps = Stamps()
    for topic, _, message in bag.messages(topics.left, topics.right):
        (stamps.left if topic == topics.left else stamps.right).append(stamp_of(message))
        if len(stamps.left) >= _STAMPS:
            break
    return stamps


def judge_stamps(stamps: Stamps) -> list[Finding]:
    """Are the cameras synchronised, at what rate do they run, and is anything missing?"""
    if not stamps.left or not stamps.right:
        silent = "left" if not stamps.left else "right"
        return [Finding("bad", "sync", f"no {silent} image came", "check that camera and its topic name")]
    left, right = np.array(stamps.left), np.array(stamps.right)
    return [*_sync(left, right), *_rate(left)]


def _sync(left: NDArray[np.int64], right: NDArray[np.int64]) -> list[Finding]:
    gaps = _gaps(left, right)
    exact = 100.0 * float((gaps == 0).mean())
    text = f"{exact:.1f} % of left images have a right one of the same stamp"
    if exact >= 99:
        return [Finding("ok", "sync", text)]
    gaps = np.concatenate((gaps, _gaps(right, left)))
    lost = gaps > _LOST_PERIODS * _period(left, right)
    apart = gaps[(gaps > 0) & ~lost]
    findings = []
    if lost.any():
        told = f"{text}; {int(lost.sum())} of {gaps.size} images have lost their partner"
        findings.append(Finding("warn", "sync", told, "images are lost on the way: see transport and qos"))
    if apart.size:
        findings.append(_apart(text, apart, share=apart.size / max(int((~lost).sum()), 1)))
    return findings


def _apart(text: str, gaps: NDArray[np.float64], *, share: float) -> Finding:
    """Pairs of two stamps: what is between them, ms, and in which share of the pairs."""
    typical, worst = float(np.median(gaps)), float(np.percentile(gaps, 95))
    text += f"; {gaps.size} images are {typical:.2f} ms off their partner (median), {worst:.2f} ms at 95 %"
    if worst <= 2.0:
        remedy = f"use sync:=approximate with sync_tolerance:={max(worst / 500, 0.001):.3f}"
        return Finding("warn", "sync", text, remedy)
    if share < _FEW:
        return Finding("warn", "sync", text, "these are no pairs with sync:=exact: check the trigger and its stamps")
    return Finding("bad", "sync", text, "the cameras are not triggered together: moving things get a wrong depth")


def _gaps(stamps: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """From each stamp to the nearest on the other side, ms."""
    ordered = np.sort(others)
    after = np.clip(np.searchsorted(ordered, stamps), 0, ordered.size - 1)
    before = np.clip(after - 1, 0, None)
    return np.asarray(np.minimum(np.abs(ordered[after] - stamps), np.abs(ordered[before] - stamps)) / 1e6)


def _period(left: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    """Between two images of one camera, ms; infinite where no two came.

    A tenth of the steps are shorter: where half of the images are lost, so are half of the steps longer than a period.
    """
    steps = np.concatenate([np.diff(np.unique(side)) for side in (left, right)])
    return float(np.percentile(steps, 10)) / 1e6 if steps.size else float("inf")


def _rate(left: NDArray[np.int64]) -> list[Finding]:
    if left.size < 3:
        return []
    steps = np.diff(left) / 1e9
    if (steps <= 0).any():
        return [Finding("bad", "rate", f"{int((steps <= 0).sum())} stamps do not rise", "check the driver's clock")]
    period = float(np.median(steps))
    missing = int(np.rint(steps / period - 1).clip(min=0).sum())
    text = f"{1 / period:.1f} Hz, {missing} frames missing of {left.size + missing}"
    if missing > 0.02 * left.size:
        return [Finding("warn", "rate", text, "frames are lost before the recording: see transport and qos")]
    return [Finding("ok", "rate", text)]


def _qos(bag: Bag, topics: StereoTopics) -> list[Finding]:
    offered = {name: bag.qos(name) for name in (topics.left, topics.right)}
    texts = [f"{name} {', '.join(profiles)}" for name, profiles in offered.items() if profiles]
    return [Finding("note", "qos", "recorded as " + "; ".join(texts))] if texts else []


def _choose(bag: Bag, topics: StereoTopics, decoders: Decoders, stamps: Stamps) -> _Chosen:
    steps = np.diff(np.sort(stamps.left)) / 1e9
    steps = steps[steps > 0]
    apart = min(_APART, _APART_PERIODS * float(np.median(steps))) if steps.size else _APART
    stream = FrameStream(bag, topics, decoders, tolerance=apart)
    every = max(1, len(stamps.left) // _FRAMES)
    chosen = _Chosen(apart, refused=stream.counts.refused)
    for number, frame in enumerate(stream):
        chosen.cameras.add(frame.camera)
        if number % every == 0:
            chosen.frames.append(frame)
        if len(chosen.frames) == _FRAMES:
            break
    return chosen


def _check_frames(chosen: _Chosen, topics: StereoTopics, search: SearchRange, given: CameraOf | None) -> list[Finding]:
    if not chosen.frames:
        reasons = "; ".join(chosen.refused) or f"no left image met a right one within {chosen.apart:.3g} s"
        return [Finding("bad", "images", f"no pair could be used: {reasons}")]
    first = chosen.frames[0]
    findings = [Finding("warn", "images", f"{count} refused: {reason}") for reason, count in chosen.refused.items()]
    if len(chosen.cameras) > 1:
        text = f"camera_info changes within the bag ({len(chosen.cameras)} different)"
        findings.append(Finding("note", "calibration", text))
    if first.camera_trouble and topics.left_info and topics.right_info:
        findings.append(Finding("bad", "calibration", first.camera_trouble))
    pairs = [(frame.left, frame.right) for frame in chosen.frames if frame.left.shape == first.left.shape]
    camera = first.camera if given is None else given(first.left.shape[1], first.left.shape[0])
    return findings + check_pair(pairs, camera, search)


def is_bag(path: Path) -> bool:
    """A bag's file or folder, also what a killed recorder leaves: files alone, without ``metadata.yaml``."""
    if path.suffix in (".mcap", ".db3", ".bag") or (path / "metadata.yaml").is_file():
        return True
    # Beside scenes a recording is a file among others.
    return bool(recorded_files(path)) and not any(inner.is_dir() or inner.suffix == ".png" for inner in path.iterdir())

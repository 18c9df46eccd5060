"""Where the public stereo data sets keep their files: one function a layout, from a folder to its scenes.

A function answers an empty list for a folder of another layout, so that all may be asked in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.evaluation.calibrations import middlebury_bound, read_kitti, read_middlebury
from ffstereo_ros.evaluation.labels import label
from ffstereo_ros.evaluation.scenes import Scene
from ffstereo_ros.evaluation.truth_files import read_disparity, read_mask, read_pfm, read_png_256, read_sintel
from ffstereo_ros.files.cameras import read_camera

# A data set's root, its splits, and the scenes in them: MiddEval3/trainingQ/Adirondack.
_SEARCH_DEPTH = 2


def find_scenes(root: Path) -> list[Scene]:
    """All scenes under a folder, in the order of their names.

    Known are single scenes and folders of them (``left.png``, ``right.png``, ``disp.png``, ``calib.json``; Middlebury
    2014/2021 and ETH3D), KITTI 2012 and 2015, MPI Sintel stereo, and SceneFlow.

    Raises:
        InputFileError: no such folder, one that cannot be looked into, or no scene in it.
    """
    if root.is_file():
        raise InputFileError(
            f"{root}: is a file; give the folder of a scene (as {root.parent}, if it is one), a folder of scenes, or "
            "the root of a data set"
        )
    if not root.is_dir():
        raise InputFileError(f"{root}: no such folder; give a scene, a folder of scenes, or the root of a data set")
    try:
        next(root.iterdir(), None)
        found = next(filter(None, (layout(root) for layout in (kitti, sintel, sceneflow, _folders))), None)
    except OSError as error:
        raise InputFileError(_locked(root, error)) from error
    if found is not None:
        return [replace(scene, name=label(scene.name), group=label(scene.group)) for scene in found]
    raise InputFileError(
        f"{root}: no scenes found; known layouts are left.png + right.png + disp.png folders, Middlebury 2014/2021, "
        "ETH3D, KITTI 2012/2015, Sintel and SceneFlow"
    )


def plain(folder: Path) -> list[Scene]:
    """``left.png``, ``right.png``; where known ``disp.png`` (uint16 = 256 px), ``mask_nocc.png``, ``calib.json``."""
    left, right = folder / "left.png", folder / "right.png"
    if not (left.is_file() and right.is_file()):
        return []
    truth = next((folder / name for name in ("disp.png", "disp.pfm", "disp.npy") if (folder / name).is_file()), None)
    mask, calibration = folder / "mask_nocc.png", folder / "calib.json"
    return [
        Scene(
            name=folder.name,
            group=folder.name.partition("_")[0],
            left=left,
            right=right,
            truth=None if truth is None else partial(read_disparity, truth),
            visible=partial(read_mask, mask) if mask.is_file() else None,
            camera=partial(read_camera, calibration) if calibration.is_file() else None,
        )
    ]


def middlebury(folder: Path) -> list[Scene]:
    """Middlebury 2014 and 2021 and ETH3D two-view: ``im0.png``, ``im1.png``, ``calib.txt``, ``disp0.pfm``.

    ``disp0GT.pfm`` and ``mask0nocc.png`` (255 = seen by both) are Middlebury v3's and ETH3D's names; ETH3D unpacks
    its truth into a second folder whose name ends in ``_gt``.
    """
    left, right = folder / "im0.png", folder / "im1.png"
    if not (left.is_file() and right.is_file()):
        return []
    places = (folder, folder.parent.with_name(folder.parent.name + "_gt") / folder.name)
    truth = _first(place / name for place in places for name in ("disp0GT.pfm", "disp0.pfm"))
    mask = _first(place / "mask0nocc.png" for place in places)
    calibration = folder / "calib.txt"
    has_calibration = calibration.is_file()
    return [
        Scene(
            name=folder.name,
            group=folder.parent.name,
            left=left,
            right=right,
            truth=None if truth is None else partial(read_pfm, truth),
            visible=None if mask is None else partial(read_mask, mask),
            camera=_sizeless(calibration) if has_calibration else None,
            max_disparity=partial(middlebury_bound, calibration) if has_calibration else None,
        )
    ]


def kitti(root: Path) -> list[Scene]:
    """KITTI 2015 (``image_2/3``, ``disp_occ_0``) or 2012 (``colored_0/1`` or ``image_0/1``, ``disp_occ``).

    The frames ``*_10`` of ``training`` have truth. ``disp_noc`` (seen by both) becomes the visibility mask.
    Calibration: ``calib_cam_to_cam/NNNNNN.txt`` or ``calib/NNNNNN.txt``, inside or beside the folder.
    """
    base = root / "training" if (root / "training").is_dir() else root
    years = {
        "kitti2015": (("image_2", "image_3"), "disp_occ_0", "disp_noc_0"),
        "kitti2012": (("colored_0", "colored_1"), "disp_occ", "disp_noc"),
        "kitti2012 grey": (("image_0", "image_1"), "disp_occ", "disp_noc"),
    }
    for group, ((left, right), occluded, visible) in years.items():
        truths = [base / name for name in (occluded, visible) if (base / name).is_dir()]
        if truths and (base / left).is_dir():
            return [
                _kitti_scene(base, truth, group.split()[0], left, right, base / visible)
                for truth in sorted(truths[0].glob("*_10.png"))
            ]
    return []


def _kitti_scene(base: Path, truth: Path, group: str, left: str, right: str, visible: Path) -> Scene:
    frame = truth.stem.removesuffix("_10")
    calibration = _first(
        place / folder / f"{frame}.txt"
        for place in (base, base.parent.with_name("data_scene_flow_calib") / "training")
        for folder in ("calib_cam_to_cam", "calib")
    )
    return Scene(
        name=f"{group}_{frame}",
        group=group,
        left=base / left / truth.name,
        right=base / right / truth.name,
        truth=partial(read_png_256, truth),
        visible=partial(_has_truth, visible / truth.name) if (visible / truth.name).is_file() else None,
        camera=None if calibration is None else partial(read_kitti, calibration),
    )


def sintel(root: Path) -> list[Scene]:
    """MPI Sintel stereo: ``training/{clean,final}_{left,right}``, ``disparities``, ``occlusions``, ``outofframe``.

    ``final`` is taken where it is there (the harder rendering pass). The baseline is not in metres: no camera.
    """
    base = root / "training" if (root / "training").is_dir() else root
    rendering = next((name for name in ("final", "clean") if (base / f"{name}_left").is_dir()), None)
    if rendering is None or not (base / "disparities").is_dir():
        return []
    scenes = []
    for truth in sorted((base / "disparities").glob("*/*.png")):
        inner = truth.relative_to(base / "disparities")
        masks = [base / name / inner for name in ("occlusions", "outofframe") if (base / name / inner).is_file()]
        scenes.append(
            Scene(
                name=f"{inner.parent}_{inner.stem}",
                group=f"sintel-{rendering}",
                left=base / f"{rendering}_left" / inner,
                right=base / f"{rendering}_right" / inner,
                truth=partial(read_sintel, truth),
                visible=partial(_seen_in_sintel, tuple(masks)) if masks else None,
            )
        )
    return scenes


def sceneflow(root: Path) -> list[Scene]:
    """SceneFlow: ``disparity/**/left/NNNN.pfm`` with ``frames_finalpass`` or ``frames_cleanpass`` beside it.

    The baseline is one Blender unit, not metres: no camera.
    """
    frames = _first_folder(root, ("frames_finalpass", "frames_cleanpass"))
    if frames is None or not (root / "disparity").is_dir():
        return []
    scenes = []
    for truth in sorted((root / "disparity").glob("**/left/*.pfm")):
        inner = truth.relative_to(root / "disparity")
        left = _first((frames / inner).with_suffix(suffix) for suffix in (".png", ".webp"))
        if left is None:
            continue
        scenes.append(
            Scene(
                name="_".join((*inner.parent.parent.parts, inner.stem)),
                group="sceneflow",
                left=left,
                right=left.parent.parent / "right" / left.name,
                truth=partial(read_pfm, truth),
            )
        )
    return scenes


def _folders(root: Path) -> list[Scene]:
    """Every ``plain`` or Middlebury-like folder at or below the root; a repeated name gets its parent's in front."""
    scenes: dict[str, Scene] = {}
    # Paths stay as the user wrote them, in messages too; only a folder called `.` has to be given its name.
    for folder, scene in _search(root if root.name else root.resolve(), _SEARCH_DEPTH):
        name = scene.name if scene.name not in scenes else f"{folder.parent.name}_{scene.name}"
        scenes[name] = replace(scene, name=name)
    return list(scenes.values())


def _search(folder: Path, depth: int) -> Iterator[tuple[Path, Scene]]:
    """Scenes with their folders; what cannot be looked into, or has one image, is one that says so when loaded."""
    try:
        found = plain(folder) or middlebury(folder) or _halves(folder)
        inner = sorted(path for path in folder.iterdir() if path.is_dir()) if depth else []
    except OSError as error:
        group = folder.name.partition("_")[0]
        found, inner = [Scene(folder.name, group, folder, folder, trouble=_locked(folder, error))], []
    yield from ((folder, scene) for scene in found)
    for path in inner:
        yield from _search(path, depth - 1)


def _halves(folder: Path) -> list[Scene]:
    """A folder with one image of a pair is a scene that says so when it is loaded."""
    for left, right in ((folder / "left.png", folder / "right.png"), (folder / "im0.png", folder / "im1.png")):
        if left.is_file() != right.is_file():
            missing = right if left.is_file() else left
            trouble = f"{missing}: no such file; a scene is {left.name} and {right.name}"
            return [Scene(folder.name, folder.name.partition("_")[0], left, right, trouble=trouble)]
    return []


def _locked(folder: Path, error: OSError) -> str:
    return f"{folder}: cannot be looked into ({error.strerror}); ask its owner for the right to read it"


def _first(paths: Iterator[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _first_folder(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _sizeless(calibration: Path) -> Callable[[int, int], StereoCamera]:
    """Middlebury's file states the image size itself."""
    return lambda width, height: read_middlebury(calibration)


def _has_truth(path: Path) -> NDArray[np.bool_]:
    return np.isfinite(read_png_256(path))


def _seen_in_sintel(masks: tuple[Path, ...]) -> NDArray[np.bool_]:
    """Neither occluded nor out of frame; both masks are 0 there."""
    return np.asarray(np.logical_and.reduce([read_mask(path, 0) for path in masks]))

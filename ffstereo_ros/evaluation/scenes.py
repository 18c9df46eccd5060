"""A scene: a rectified pair, and what is known about it. Loaded when asked for, so that a data set costs no memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.errors import CalibrationError, InputFileError
from ffstereo_ros.files.images import read_pair

Uint8Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class SceneData:
    """One scene in memory.

    Attributes:
        left, right: uint8 ``[H, W, 3]`` RGB.
        truth: float32 ``[H, W]`` px of the left image, NaN = no truth; None where the scene has none at all.
        visible: bool ``[H, W]``, True where the truth is seen by both cameras; None where that is not known.
        camera: for metric depth, or None.
        camera_trouble: why a calibration that is there could not be used, or empty.
        max_disparity: the data set's published upper bound, px, or None.
    """

    left: Uint8Image
    right: Uint8Image
    truth: Float32Array | None
    visible: NDArray[np.bool_] | None
    camera: StereoCamera | None
    camera_trouble: str = ""
    max_disparity: int | None = None


@dataclass(frozen=True)
class Scene:
    """One scene on disk.

    Attributes:
        name: unique within a run.
        group: data set it belongs to; means are given per group too.
        left, right: image files.
        truth: reads the true disparity, or None.
        visible: reads the mask of pixels seen by both cameras, or None.
        camera: from width and height of the left image in px to the camera, or None.
        max_disparity: reads the data set's published upper bound, px, or None.
        trouble: why it is known beforehand that nothing can be read, or empty.
    """

    name: str
    group: str
    left: Path
    right: Path
    truth: Callable[[], Float32Array] | None = None
    visible: Callable[[], NDArray[np.bool_]] | None = None
    camera: Callable[[int, int], StereoCamera | None] | None = None
    max_disparity: Callable[[], int | None] | None = None
    trouble: str = ""

    def load(self) -> SceneData:
        """Reads everything.

        Raises:
            InputFileError: a file is missing or damaged, or truth and image differ in size.
        """
        if self.trouble:
            raise InputFileError(self.trouble)
        left, right = read_pair(self.left, self.right)
        height, width = left.shape[:2]
        truth = None if self.truth is None else self.truth()
        visible = None if self.visible is None or truth is None else self.visible()
        for what, values in (("truth", truth), ("visibility mask", visible)):
            if values is not None and values.shape != (height, width):
                raise InputFileError(
                    f"{self.name}: the {what} is {values.shape[1]}x{values.shape[0]} px but the left image "
                    f"{width}x{height} px: they must agree"
                )
        camera, trouble = self._camera(width, height)
        bound, more = self._bound()
        trouble = "; ".join(dict.fromkeys(filter(None, (trouble, more))))
        return SceneData(left, right, truth, visible, camera, trouble, bound)

    def _bound(self) -> tuple[int | None, str]:
        """As with the camera: another bound is at hand, so a broken one is told, not raised."""
        try:
            return None if self.max_disparity is None else self.max_disparity(), ""
        except InputFileError as error:
            return None, str(error)

    def _camera(self, width: int, height: int) -> tuple[StereoCamera | None, str]:
        """Disparities can be judged without a camera, so a broken calibration is told, not raised."""
        if self.camera is None:
            return None, ""
        try:
            camera = self.camera(width, height)
        except (CalibrationError, InputFileError) as error:
            return None, str(error)
        if camera is not None and (camera.width, camera.height) != (width, height):
            return None, (
                f"{self.name}: the calibration is for {camera.width}x{camera.height} px but the image is "
                f"{width}x{height} px: depth is not judged; use the calibration of this image size"
            )
        return camera, ""

"""Published frames without one known pixel: recognised in the messages themselves, and told with the likely cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.core.validity import known_range
from ffstereo_ros.params import BY_NAME
from ffstereo_ros.ros import outputs
from ffstereo_ros.ros.settings import FrameSettings

# At 1280x720 all pixels of a message take 0.1 ms (cloud: 0.4 ms), every so many-th row and column 0.01 ms. Those are
# looked at first, and all only where none of them is known.
_SPARSE = 16

# Parameters that make pixels unknown, in all topics and in those that hold depth.
_FILTERS = (
    "roi_x",
    "roi_y",
    "roi_width",
    "roi_height",
    "left_band_filter",
    "confidence_threshold",
    "left_right_tolerance",
    "flying_pixel_threshold",
    "speckle_size",
)
_LIMITS = ("min_depth", "max_depth", "depth_encoding")
_WITH_DEPTH = frozenset({outputs.DEPTH, outputs.CLOUD})
_WITH_CAMERA = _WITH_DEPTH | {outputs.DISPARITY}


def has_known_pixel(topic: str, message: Any) -> bool:
    """Whether a message holds at least one known pixel; true for topics that have no unknown ones.

    A message is on the host, whatever computed it: nothing is copied from a GPU for this.
    """
    if topic == outputs.DISPARITY:
        return _some(_pixels(message.image, "<f4"), lambda values: values >= message.min_disparity)
    if topic == outputs.DEPTH:
        return _some(_pixels(message, "<u2" if message.encoding == "16UC1" else "<f4"), _above_0)
    if topic == outputs.CLOUD:
        return _some(_pixels(message, "<f4")[:, 2::4], _above_0)  # z of x, y, z, rgb
    if topic == outputs.COLOUR:
        return _some(_pixels(message, "u1"), _above_0)
    return True


def _pixels(message: Any, dtype: str) -> NDArray[Any]:
    """The values of a message, ``[H, values in a row]``, without a copy."""
    return np.frombuffer(message.data, dtype).reshape(message.height, -1)


def _above_0(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(values > 0)


def _some(values: NDArray[Any], known: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> bool:
    with np.errstate(invalid="ignore"):  # NaN is neither above nor below anything
        return bool(known(values[::_SPARSE, ::_SPARSE]).any() or known(values).any())


def explain(topics: frozenset[str], settings: FrameSettings, camera: StereoCamera, *, max_disparity: float) -> str:
    """One line about a frame.

    Args:
        topics: those without a known pixel.
        max_disparity: largest disparity searched, px of the left image.
    """
    cause = next(_certain(topics, settings, camera, max_disparity), "") or _possible(topics, settings, camera)
    return f"no known pixel in {', '.join(sorted(topics))}: {cause}"


def _certain(
    topics: frozenset[str], settings: FrameSettings, camera: StereoCamera, max_disparity: float
) -> Iterator[str]:
    """Causes that leave nothing, whatever is in the images."""
    region, limits = settings.filters.region, settings.outputs
    width, height = camera.width, camera.height
    if region.misses(width, height):
        yield (
            f"the region of interest begins at x = {region.x} px, y = {region.y} px and the image is {width}x{height} "
            f"px: set roi_x below {width} px and roi_y below {height} px"
        )
    highest = known_range(max_disparity)[1]
    shifted = highest + camera.cx_offset
    if topics & _WITH_CAMERA and shifted <= 0:
        yield (
            f"cx_right - cx_left = {camera.cx_offset:g} px in camera_info puts all disparities, up to {highest:g} px, "
            "behind the cameras: check P[2] of both camera_info"
        )
    elif topics & _WITH_DEPTH and limits.max_depth < camera.focal_baseline / shifted:
        yield (
            f"max_depth = {limits.max_depth:g} m is nearer than {camera.focal_baseline / shifted:.3g} m, where the "
            f"disparities end ({highest:g} px): set it higher, or raise max_disparity"
        )
    if topics & _WITH_DEPTH and limits.min_depth * camera.cx_offset > camera.focal_baseline:
        yield (
            f"min_depth = {limits.min_depth:g} m is farther than {camera.focal_baseline / camera.cx_offset:.3g} m, "
            "where the disparity is 0: set it lower"
        )


def _possible(topics: frozenset[str], settings: FrameSettings, camera: StereoCamera) -> str:
    """Everything that takes pixels out, as it is set, and what may be wrong with the images."""
    values = {name: getattr(settings.filters, name) for name in _FILTERS}
    values |= {name: getattr(settings.outputs, name) for name in (_LIMITS if topics & _WITH_DEPTH else ())}
    suspects = [_named(name, value) for name, value in values.items() if value != BY_NAME[name].default]
    if topics <= _WITH_DEPTH:
        suspects.append(f"baseline = {camera.baseline:g} m in camera_info")
    images = "is a lens covered, are left and right exchanged, or is the pair not rectified?"
    return f"look at {', '.join(suspects)}; {images}" if suspects else images


def _named(name: str, value: object) -> str:
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name} = {shown} {BY_NAME[name].unit}".rstrip()

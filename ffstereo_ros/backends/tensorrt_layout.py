"""What an engine takes and gives, recognised by its bindings: ours, the authors' one or two engines, NVIDIA's exports.

One engine: two image inputs of one shape, ``left...`` and ``right...``, and an output ``disp...``. Ours take uint8
[1, H, W, 3]; others take float [1, 3, H, W], and their bindings do not say whether they normalise inside (0..255 is
fed) or expect normalised images: every reading is tried by the self-test, and one that passes is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffstereo_ros.backends.tensorrt_session import Binding
from ffstereo_ros.backends.tensorrt_volume import LEFT, RIGHT, VOLUME
from ffstereo_ros.errors import BackendError

Uint8Image = NDArray[np.uint8]

_MEAN = np.array((0.485, 0.456, 0.406), np.float32) * 255
_STD = np.array((0.229, 0.224, 0.225), np.float32) * 255


@dataclass(frozen=True)
class Layout:
    """The roles of an engine's tensors.

    Attributes:
        left, right, disparity: names.
        confidence: name, or empty where the engine gives none.
        height, width: px.
        readings: ways to feed the images that may be the right one, most likely first.
        max_disparity: model px, 0 = the bindings do not tell.
    """

    left: str
    right: str
    disparity: str
    confidence: str
    height: int
    width: int
    readings: tuple[Reading, ...]
    max_disparity: int = 0


@dataclass(frozen=True)
class Reading:
    """One way to feed an image: ``write`` puts uint8 RGB [H, W, 3] into the host's place of the input."""

    name: str
    write: Callable[[Uint8Image, NDArray[Any]], None]


def _write_bytes(image: Uint8Image, place: NDArray[Any]) -> None:
    place[0] = image


def _write_planes(image: Uint8Image, place: NDArray[Any]) -> None:
    place[0] = image.transpose(2, 0, 1)


def _write_unit(image: Uint8Image, place: NDArray[Any]) -> None:
    place[0] = image.transpose(2, 0, 1) * np.float32(1 / 255)


def _write_normalised(image: Uint8Image, place: NDArray[Any]) -> None:
    place[0] = ((image - _MEAN) / _STD).transpose(2, 0, 1)


BYTES = Reading("bytes, normalised inside", _write_bytes)
FLOAT_READINGS = (
    Reading("0..255, normalised inside", _write_planes),
    Reading("normalised outside (ImageNet mean and deviation)", _write_normalised),
    Reading("0..1, normalised inside", _write_unit),
)


def recognise(bindings: Sequence[Binding]) -> Layout:
    """The layout of one engine, or of all stages of a split together.

    Raises:
        BackendError: the bindings are not those of a stereo network; the message lists them.
    """
    made = {binding.name for binding in bindings if not binding.is_input}
    inputs = {b.name: b for b in bindings if b.is_input and b.name not in made}
    left, right = _one(inputs, "left", bindings), _one(inputs, "right", bindings)
    outputs = {binding.name: binding for binding in bindings if not binding.is_input}
    disparity = _one(outputs, "disp", bindings)
    height, width, readings = _image(left, right, bindings)
    if len(inputs) != 2 or disparity.shape[-2:] != (height, width) or int(np.prod(disparity.shape)) != height * width:
        raise _unknown(bindings)
    confidence = "confidence" if "confidence" in outputs else ""
    volume = next((binding for binding in bindings if binding.name == VOLUME), None)
    limit = 4 * volume.shape[2] if volume is not None and len(volume.shape) == 5 else 0
    return Layout(left.name, right.name, disparity.name, confidence, height, width, readings, limit)


def is_split(bindings: Sequence[Binding]) -> bool:
    """Whether these are the authors' two engines, which need the volume made between them."""
    given = {binding.name for binding in bindings if not binding.is_input}
    taken = {binding.name for binding in bindings if binding.is_input}
    return {LEFT, RIGHT} <= given and VOLUME in taken


def _one(among: dict[str, Binding], start: str, bindings: Sequence[Binding]) -> Binding:
    found = [binding for name, binding in among.items() if name.lower().startswith(start)]
    if len(found) != 1:
        raise _unknown(bindings)
    return found[0]


def _image(left: Binding, right: Binding, bindings: Sequence[Binding]) -> tuple[int, int, tuple[Reading, ...]]:
    shape = left.shape
    if (right.shape, right.dtype) == (shape, left.dtype) and len(shape) == 4 and shape[0] == 1:
        if left.dtype == np.uint8 and shape[3] == 3:
            return shape[1], shape[2], (BYTES,)
        if left.dtype.kind == "f" and shape[1] == 3:
            return shape[2], shape[3], FLOAT_READINGS
    raise _unknown(bindings)


def _unknown(bindings: Sequence[Binding]) -> BackendError:
    listed = ", ".join(f"{'in' if b.is_input else 'out'} {b.name} {b.dtype} {list(b.shape)}" for b in bindings)
    return BackendError(
        f"no stereo engine is recognised in these tensors: {listed}; expected two images of batch 1 named left and "
        "right, and one output disp of the same size"
    )

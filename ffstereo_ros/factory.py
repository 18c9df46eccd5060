"""From settings to a ready matcher: the only place that reads weights, picks a device and chooses a backend."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ffstereo_ros.core.matcher import Backend, StereoMatcher
from ffstereo_ros.errors import FFStereoError, MissingDependencyError, WeightsError
from ffstereo_ros.params import BY_NAME, Value
from ffstereo_ros.weights.cache import known_weights

# The network that ships with the package: what runs when nobody names weights.
DEFAULT_WEIGHTS = "mini"


@dataclass(frozen=True)
class MatcherSettings:
    """What decides the matcher; the fields of the same name in ``params.py`` give meaning, unit and range."""

    backend: str = "auto"
    weights: str = ""
    device: str = "auto"
    precision: str = "auto"
    iterations: int = 8
    max_disparity: int = 192
    scale: float = 1.0
    hierarchical: bool = False

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            BY_NAME[name].check(getattr(self, name))

    @classmethod
    def from_parameters(cls, values: dict[str, Value]) -> MatcherSettings:
        """Takes its own fields out of all parameters."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})  # type: ignore[arg-type]


@dataclass(frozen=True)
class ReadyMatcher:
    """A matcher and the one line that says which backend was taken and why."""

    matcher: StereoMatcher
    reason: str


def create_matcher(settings: MatcherSettings) -> ReadyMatcher:
    """Builds the backend that ``settings`` asks for, warmed up and ready for a frame.

    Raises:
        FFStereoError: what was asked for by name cannot run here; with ``auto``, only if nothing can.
    """
    if settings.backend != "auto":
        backend = _BUILDERS[settings.backend](settings)
        return _ready(backend, settings, "as asked for")
    passed_over: list[str] = []
    for name in ("tensorrt", "torch"):
        try:
            backend = _BUILDERS[name](settings)
        except FFStereoError as error:
            if settings.weights and name == "torch":
                raise  # weights asked for by name are never silently replaced by another method
            passed_over.append(f"{name}: {error}")
            continue
        return _ready(backend, settings, "auto: the best that can run here")
    backend = _BUILDERS["sgbm"](replace(settings, backend="sgbm"))
    return _ready(backend, settings, "auto: " + "; ".join(passed_over))


def create_sgbm_matcher(max_disparity: int, *, scale: float = 1.0) -> ReadyMatcher:
    """SGBM with any multiple of 16 px, finer than the parameter allows: to compare with figures published so.

    Raises:
        FFStereoError: OpenCV is missing, or the maximum is no multiple of 16 px.
    """
    _require("cv2", "opencv-python", "there is no alternative: OpenCV is required")
    from ffstereo_ros.backends.sgbm import SgbmBackend

    settings = MatcherSettings(backend="sgbm", scale=scale)
    return _ready(SgbmBackend(max_disparity=max_disparity), settings, "as asked for")


def _ready(backend: Backend, settings: MatcherSettings, why: str) -> ReadyMatcher:
    return ReadyMatcher(StereoMatcher(backend, scale=settings.scale), f"backend {backend.describe()} ({why})")


def find_weights(weights: str) -> Path:
    """The file of a path or of a name: shipped with the package, or in the user's cache; empty = the shipped one.

    Raises:
        WeightsError: there is no such file and no weights of that name.
    """
    known = {name: file.path for name, file in known_weights().items()}
    if weights in known:
        return known[weights]
    if not weights:
        if DEFAULT_WEIGHTS in known:
            return known[DEFAULT_WEIGHTS]
        raise WeightsError("no network weights are installed; see `ffstereo weights list`, or use backend sgbm")
    path = Path(weights).expanduser()
    if not path.is_file():
        names = ", ".join(sorted(known)) or "none"
        raise WeightsError(f"weights = {weights!r}: no such file, and not among the names that are here ({names})")
    return path


def _build_sgbm(settings: MatcherSettings) -> Backend:
    _require("cv2", "opencv-python", "there is no alternative: OpenCV is required")
    from ffstereo_ros.backends.sgbm import SgbmBackend

    return SgbmBackend(max_disparity=settings.max_disparity)


def _build_torch(settings: MatcherSettings) -> Backend:
    _require("torch", "torch", "or use backend sgbm, which needs neither torch nor weights")
    _require("safetensors", "safetensors", "or use backend sgbm, which needs no weights")
    from ffstereo_ros.backends.pytorch import NetworkSettings, TorchBackend
    from ffstereo_ros.backends.torch_device import choose_placement
    from ffstereo_ros.network.checkpoint.store import build_model, load_weights

    placement = choose_placement(settings.device, settings.precision)
    path = find_weights(settings.weights)
    network = NetworkSettings(settings.iterations, settings.max_disparity, settings.hierarchical)
    return TorchBackend(build_model(load_weights(path)), path.stem, placement, network)


def _build_tensorrt(settings: MatcherSettings) -> Backend:
    _require("tensorrt", "tensorrt", "or use backend torch or sgbm")
    raise MissingDependencyError("the tensorrt backend is not part of this version; use backend torch or sgbm")


def _require(module: str, package: str, alternative: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError(f"{package} is not installed: pip install {package}, {alternative}")


_BUILDERS: dict[str, Callable[[MatcherSettings], Backend]] = {
    "sgbm": _build_sgbm,
    "torch": _build_torch,
    "tensorrt": _build_tensorrt,
}

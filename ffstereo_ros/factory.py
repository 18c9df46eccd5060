"""From settings to a ready matcher: the only place that reads weights, picks a device and chooses a backend."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ffstereo_ros.core.matcher import Backend, StereoMatcher
from ffstereo_ros.errors import BackendError, EngineError, FFStereoError, MissingDependencyError, WeightsError
from ffstereo_ros.parameter import Value
from ffstereo_ros.params import BY_NAME
from ffstereo_ros.weights.cache import known_weights

if TYPE_CHECKING:
    from ffstereo_ros.export.engine_search import NetworkWish

# The network that ships with the package: what runs when nobody names weights.
DEFAULT_WEIGHTS = "mini"

# What ends so is an engine made elsewhere, taken in place of weights.
ENGINE_SUFFIXES = (".engine", ".plan", ".trt")


@dataclass(frozen=True)
class MatcherSettings:
    """What decides the matcher; the fields of the same name in ``params.py`` give meaning, unit and range."""

    backend: str = "auto"
    backend_fallback: str = "torch"
    weights: str = ""
    device: str = "auto"
    precision: str = "auto"
    iterations: int = 8
    max_disparity: int = 192
    scale: float = 0.0
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
    """A matcher ready for a frame.

    Attributes:
        reason: the one line that says which backend was taken and why.
        warnings: what somebody should be told.
        for_larger: what to build where pairs are larger than every engine of it; None: nothing may take over.
    """

    matcher: StereoMatcher
    reason: str
    warnings: tuple[str, ...] = ()
    for_larger: MatcherSettings | None = None


def create_matcher(settings: MatcherSettings) -> ReadyMatcher:
    """Builds the backend that ``settings`` asks for, warmed up and ready for a frame.

    Raises:
        FFStereoError: what was asked for by name cannot run here, nor what ``backend_fallback`` allows; with ``auto``,
            only if nothing can.
    """
    return _choose(settings) if settings.backend == "auto" else _as_asked(settings)


def _as_asked(settings: MatcherSettings) -> ReadyMatcher:
    """The backend asked for, or the first of its allowed substitutes that can run."""
    asked = settings.backend
    refusals: list[FFStereoError] = []
    for name in (asked, *_substitutes(settings)):
        try:
            backend = _BUILDERS[name](settings)
        except FFStereoError as error:
            refusals.append(error)
            continue
        if name == asked:
            return replace(_ready(backend, settings, "as asked for"), for_larger=_for_larger(settings, name))
        warning = f"FALLBACK to {name}: {asked} was asked for and cannot be used: {refusals[0]}"
        return _ready(backend, settings, warning, (warning,))
    raise refusals[0]


def _substitutes(settings: MatcherSettings) -> tuple[str, ...]:
    """What may take over; PyTorch cannot for an engine made elsewhere, whose weights it does not have."""
    allowed = {"none": (), "torch": ("torch",), "sgbm": ("torch", "sgbm")}[settings.backend_fallback]
    order = ("tensorrt", "torch", "sgbm")
    later = order[order.index(settings.backend) + 1 :]
    foreign = _is_foreign_engine(settings.weights)
    return tuple(name for name in allowed if name in later and not (name == "torch" and foreign))


def _for_larger(settings: MatcherSettings, taken: str) -> MatcherSettings | None:
    """PyTorch for pairs larger than the engines taken, as far as it may take over from them at the start."""
    allowed = settings.backend == "auto" or "torch" in _substitutes(settings)
    if taken != "tensorrt" or not allowed or _is_foreign_engine(settings.weights):
        return None
    return replace(settings, backend="torch", backend_fallback="none")


def _choose(settings: MatcherSettings) -> ReadyMatcher:
    """The best that can run: an engine, then PyTorch, then SGBM."""
    passed_over: list[str] = []
    warnings: list[str] = []
    foreign = _is_foreign_engine(settings.weights)
    for name in ("tensorrt", "torch"):
        try:
            backend = _BUILDERS[name](settings)
        except FFStereoError as error:
            if foreign or (settings.weights and name == "torch"):
                raise  # what is asked for by name is never silently replaced by another method
            passed_over.append(f"{name}: {error}")
            if isinstance(error, EngineError):  # an engine is there: its user expects it to run
                warnings.append(f"FALLBACK: {name} cannot be used: {error}")
            continue
        ready = _ready(backend, settings, "; ".join(("auto: the best that can run here", *warnings)), tuple(warnings))
        return replace(ready, for_larger=_for_larger(settings, name))
    backend = _BUILDERS["sgbm"](replace(settings, backend="sgbm"))
    return _ready(backend, settings, "auto: " + "; ".join(passed_over), tuple(warnings))


def create_sgbm_matcher(max_disparity: int, *, scale: float = 0.0) -> ReadyMatcher:
    """SGBM with any multiple of 16 px, finer than the parameter allows: to compare with figures published so.

    Raises:
        FFStereoError: OpenCV is missing, or the maximum is no multiple of 16 px.
    """
    _require("cv2", "opencv-python", "there is no alternative: OpenCV is required")
    from ffstereo_ros.backends.sgbm import SgbmBackend

    settings = MatcherSettings(backend="sgbm", scale=scale)
    return _ready(SgbmBackend(max_disparity=max_disparity), settings, "as asked for")


def _ready(backend: Backend, settings: MatcherSettings, why: str, warnings: tuple[str, ...] = ()) -> ReadyMatcher:
    matcher = StereoMatcher(backend, scale=settings.scale)
    # What a backend runs without: engines that were refused, or our kernels on a GPU that cannot run them.
    warnings += tuple(getattr(backend, "failures", ()))
    return ReadyMatcher(matcher, f"backend {matcher.describe()} ({why})", warnings)


def find_weights(weights: str) -> Path:
    """The file of a path or of a name: shipped with the package, or in the user's cache; empty = the shipped one.

    Raises:
        WeightsError: there is no such file and no weights of that name, or it is a folder.
    """
    known = {name: file.path for name, file in known_weights().items()}
    if weights in known:
        return known[weights]
    if not weights:
        if DEFAULT_WEIGHTS in known:
            return known[DEFAULT_WEIGHTS]
        raise WeightsError("no network weights are installed; see `ffstereo weights list`, or use backend sgbm")
    path = Path(weights).expanduser()
    if path.is_dir():
        raise WeightsError(
            f"weights = {weights!r} is a folder without feature_runner.engine and post_runner.engine: "
            "name a .safetensors file in it, or the folder of the two engines"
        )
    if not path.is_file():
        names = ", ".join(sorted(known)) or "none"
        raise WeightsError(f"weights = {weights!r}: no such file, and not among the names that are here ({names})")
    return path


def _build_sgbm(settings: MatcherSettings) -> Backend:
    _require("cv2", "opencv-python", "there is no alternative: OpenCV is required")
    from ffstereo_ros.backends.sgbm import SgbmBackend

    return SgbmBackend(max_disparity=settings.max_disparity)


def _build_torch(settings: MatcherSettings) -> Backend:
    require_torch()
    _require("safetensors", "safetensors", "or use backend sgbm, which needs no weights")
    from ffstereo_ros.backends.pytorch import NetworkSettings, TorchBackend
    from ffstereo_ros.backends.torch_device import choose_placement
    from ffstereo_ros.network.checkpoint.store import build_model, load_weights

    placement = choose_placement(settings.device, settings.precision)
    path = find_weights(settings.weights)
    loaded = load_weights(path)
    iterations = min(settings.iterations, loaded.metadata.max_iterations)
    network = NetworkSettings(iterations, settings.max_disparity, settings.hierarchical)
    model = build_model(loaded)
    if placement.device.type == "cuda":
        from ffstereo_ros.backends.cuda import CudaBackend

        backend: CudaBackend | TorchBackend = CudaBackend(model, path.stem, placement, network)
    else:
        backend = TorchBackend(model, path.stem, placement, network)
    backend.advised_scale = loaded.metadata.scale
    return backend


def _build_tensorrt(settings: MatcherSettings) -> Backend:
    from ffstereo_ros.backends.tensorrt_library import require_tensorrt
    from ffstereo_ros.export.engine_cache import stored_engines

    require_tensorrt()
    if settings.device == "cpu":
        raise BackendError("tensorrt: device = cpu, and engines run on NVIDIA GPUs only; use device auto or cuda")
    listing = stored_engines()
    foreign = _is_foreign_engine(settings.weights)
    if not foreign and not listing.engines and not listing.damaged:
        raise BackendError("tensorrt: no engine has been built; run `ffstereo build-engine WEIGHTS --size HxW`")
    if settings.hierarchical:
        raise EngineError("hierarchical = true: engines have no such pass; use backend torch, or max_disparity instead")
    from ffstereo_ros.backends.tensorrt_device import CudaDevice, gpu_facts
    from ffstereo_ros.backends.tensorrt_library import load_tensorrt
    from ffstereo_ros.export.engine_loading import Workbench
    from ffstereo_ros.export.engine_search import load_backend, load_foreign_backend

    gpu = gpu_facts()  # before the library: without a GPU it takes a second to say so
    bench = Workbench(load_tensorrt(), CudaDevice)
    if foreign:
        path = Path(settings.weights).expanduser()
        return load_foreign_backend(path, settings.max_disparity, gpu, bench)
    return load_backend(listing, _wish(settings), gpu, bench)


def _wish(settings: MatcherSettings) -> NetworkWish:
    from ffstereo_ros.export.engine_search import NetworkWish
    from ffstereo_ros.network.checkpoint.known import sha256_of

    path = find_weights(settings.weights)
    precision = "" if settings.precision == "auto" else settings.precision
    iterations = min(settings.iterations, max_iterations(path))
    return NetworkWish(path.stem, sha256_of(path), iterations, settings.max_disparity, precision, settings.weights)


def max_iterations(weights: Path) -> int:
    """Refinements beyond which the weights of a file get worse.

    Raises:
        MissingDependencyError: safetensors is not installed.
        WeightsError: the file is damaged.
    """
    _require("safetensors", "safetensors", "it reads the weights' description")
    from ffstereo_ros.network.checkpoint.metadata import read_metadata

    return read_metadata(weights)[0].max_iterations


def _is_foreign_engine(weights: str) -> bool:
    """Whether the text names an engine made elsewhere, or a folder of the authors' two; installed weights go first."""
    if not weights or weights in known_weights():
        return False
    path = Path(weights).expanduser()
    if not path.is_dir():
        return path.suffix in ENGINE_SUFFIXES
    from ffstereo_ros.export.engine_loading import holds_engines

    return holds_engines(path)


def require_torch() -> None:
    """Raises `MissingDependencyError` where torch is not installed."""
    _require("torch", "torch", "or use backend sgbm, which needs neither torch nor weights")


def _require(module: str, package: str, alternative: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError(f"{package} is not installed: pip install {package}, {alternative}")


_BUILDERS: dict[str, Callable[[MatcherSettings], Backend]] = {
    "sgbm": _build_sgbm,
    "torch": _build_torch,
    "tensorrt": _build_tensorrt,
}

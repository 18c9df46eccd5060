"""From a plan on disk to an engine that has proven itself: nothing else reaches the backend."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ffstereo_ros.backends.tensorrt import StereoEngine
from ffstereo_ros.backends.tensorrt_device import Device
from ffstereo_ros.backends.tensorrt_layout import Layout, Reading, is_split, recognise
from ffstereo_ros.backends.tensorrt_library import TensorRT
from ffstereo_ros.backends.tensorrt_session import Binding, EngineStage, Session, Stage
from ffstereo_ros.backends.tensorrt_volume import LEFT, RIGHT, VOLUME, VolumeStage
from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.engine_cache import StoredEngine
from ffstereo_ros.export.self_test import Verdict, known_shift_case, require_passed, run_self_test, unpack_cases

# The authors' names for their two engines, and of the settings they were exported with.
FEATURE_ENGINE, POST_ENGINE, EXPORT_SETTINGS = "feature_runner.engine", "post_runner.engine", "onnx.yaml"


@dataclass(frozen=True)
class Workbench:
    """Where engines are opened: the library, and how to get a device for each."""

    library: TensorRT
    new_device: Callable[[], Device]


def open_stored(stored: StoredEngine, bench: Workbench) -> StereoEngine:
    """An engine of the cache, checked against its sidecar and by its self-test.

    Raises:
        BackendError: it is damaged, does not load here, or fails its self-test.
    """
    name = f"engine {stored.folder.name}"
    stage = EngineStage(stored.read_plan(), bench.library, name)
    layout = recognise(stage.bindings)
    engine = StereoEngine(_session((stage,), layout, bench), layout, layout.readings[0])
    with _closing_on_failure(engine):
        cases = unpack_cases(stored.self_test, *engine.shape)
        require_passed(name, run_self_test(engine.disparity, cases))
    return engine


def open_foreign(path: Path, max_disparity: int, bench: Workbench) -> StereoEngine:
    """An engine made elsewhere: a plan file, or a folder with the authors' two.

    Its bindings do not say how images are to be fed, nor whether the correlation is normalised: all readings are tried
    on the pair of known shift, and the first that passes is kept.

    Raises:
        BackendError: it does not load here, its bindings are not recognised, or no reading passes.
    """
    stages = _foreign_stages(path, bench)
    layout = recognise([binding for stage in stages for binding in stage.bindings])
    session = _session(stages, layout, bench)
    volumes = [stage for stage in stages if isinstance(stage, VolumeStage)]
    case = known_shift_case(layout.height, layout.width, layout.max_disparity or max_disparity)
    best: Verdict | None = None
    for reading in _readings(layout, volumes):
        engine = StereoEngine(session, layout, reading)
        with _closing_on_failure(engine):
            (verdict,) = run_self_test(engine.disparity, [case])
        if verdict.passed:
            return engine
        best = verdict if best is None or verdict.cosine > best.cosine else best
    session.close()
    require_passed(f"engine {path.name}", [] if best is None else [best])
    raise BackendError(f"engine {path.name} knows no way to be fed")


def holds_engines(folder: Path) -> bool:
    """Whether something of what the authors' export leaves lies in a folder."""
    return any((folder / name).is_file() for name in (FEATURE_ENGINE, POST_ENGINE))


def _session(stages: tuple[Stage, ...], layout: Layout, bench: Workbench) -> Session:
    outputs = [layout.disparity] + ([layout.confidence] if layout.confidence else [])
    device = bench.new_device()
    try:
        return Session(stages, (layout.left, layout.right), outputs, device)
    except BackendError:
        device.close()
        raise


def _foreign_stages(path: Path, bench: Workbench) -> tuple[Stage, ...]:
    if not path.is_dir():
        return (EngineStage(_read(path), bench.library, f"engine {path.name}"),)
    features = EngineStage(_read(path / FEATURE_ENGINE), bench.library, FEATURE_ENGINE)
    post = EngineStage(_read(path / POST_ENGINE), bench.library, POST_ENGINE)
    if not is_split((*features.bindings, *post.bindings)):
        raise BackendError(f"{path}: the two engines do not give {LEFT} and {RIGHT} and take {VOLUME}: export again")
    ends = {binding.name: binding for binding in (*features.bindings, *post.bindings)}
    return features, _volume(ends, path), post


def _volume(ends: dict[str, Binding], path: Path) -> VolumeStage:
    return VolumeStage(ends[LEFT], ends[RIGHT], ends[VOLUME], _exported_normalize(path / EXPORT_SETTINGS))


def _exported_normalize(path: Path) -> bool:
    """What the authors' export noted; True where it noted nothing."""
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return True
    return bool(settings.get("normalize", True)) if isinstance(settings, dict) else True


def _readings(layout: Layout, volumes: list[VolumeStage]) -> Iterator[Reading]:
    """Every way to feed the images, under every way to make the volume (what the export noted first)."""
    for flip in (False, True) if volumes else (False,):
        for volume in volumes:
            volume.normalize = volume.normalize != flip
        yield from layout.readings


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackendError(f"engine {path} cannot be read ({error.strerror}): check the path") from error


@contextlib.contextmanager
def _closing_on_failure(engine: StereoEngine) -> Iterator[None]:
    """Frees an engine's memory when its test raises."""
    try:
        yield
    except BackendError:
        engine.session.close()
        raise

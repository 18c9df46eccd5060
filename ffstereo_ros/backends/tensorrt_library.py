"""TensorRT or TensorRT-RTX, whichever is installed: one API from 10.3 to 11, loaded where it is used."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import Any

from ffstereo_ros.errors import BackendError, MissingDependencyError

# In order of preference: TensorRT knows all GPUs from Turing on and Jetson, TensorRT-RTX consumer GPUs alone.
LIBRARIES = ("tensorrt", "tensorrt_rtx")


@dataclass(frozen=True)
class TensorRT:
    """A loaded library.

    Attributes:
        name: ``tensorrt`` or ``tensorrt_rtx``.
        version: as the library states it, ``10.13.0.35`` for example.
        api: its Python module.
        log: the library's logger, which keeps what it complained of.
    """

    name: str
    version: str
    api: Any
    log: Log


@dataclass
class Log:
    """What the library said last, so that an error of ours can carry its reason."""

    complaints: list[str] = field(default_factory=list)
    handle: Any = None

    def last(self) -> str:
        """The first complaint since `clear` on one line: later ones are its consequences. Empty = none."""
        return " ".join(self.complaints[0].split())[:300] if self.complaints else ""

    def clear(self) -> None:
        """Forgets, before a call whose complaints matter."""
        self.complaints.clear()


def load_tensorrt(name: str = "auto") -> TensorRT:
    """The library of that name; ``auto`` takes the first that is installed.

    Raises:
        MissingDependencyError: it is not installed.
        BackendError: it is installed and does not load.
    """
    found = require_tensorrt(name)
    try:
        return wrap(found, importlib.import_module(found))
    except (ImportError, OSError) as error:
        raise BackendError(f"{found} is installed and does not load ({error}): see its release notes") from error


def require_tensorrt(name: str = "auto") -> str:
    """The name of the library that `load_tensorrt` would load; nothing is imported.

    Raises:
        MissingDependencyError: it is not installed.
    """
    for each in LIBRARIES:
        if name in ("auto", each) and importlib.util.find_spec(each) is not None:
            return each
    wanted = "tensorrt (or tensorrt-rtx-cu13)" if name == "auto" else name.replace("_", "-")
    raise MissingDependencyError(
        f"{wanted} is not installed: pip install tensorrt (on Jetson it comes with JetPack), "
        "or use backend torch or sgbm"
    )


def wrap(name: str, api: Any) -> TensorRT:
    """A library's module with a logger that remembers errors."""
    log = Log()

    class Logger(api.ILogger):
        def __init__(self) -> None:
            api.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (api.ILogger.Severity.ERROR, api.ILogger.Severity.INTERNAL_ERROR):
                log.complaints.append(message)

    log.handle = Logger()
    return TensorRT(name, str(api.__version__), api, log)

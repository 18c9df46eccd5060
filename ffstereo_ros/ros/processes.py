"""Processes of a private ROS graph: its own domain, this host only, the large-images transport, logs kept."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import ffstereo_ros
from ffstereo_ros.errors import BackendError, InputFileError
from ffstereo_ros.fastdds import variables_to_set

PROFILE = "fastdds_large_images.xml"

# Domain d listens on UDP port 7400 + 250 d; above 101 these ports are in the range that Linux hands out to others.
_FIRST_PORT, _PORTS_A_DOMAIN, _DOMAINS = 7400, 250, range(1, 102)
# Where participants listen: the multicast port, which is left out where only this host is discovered, and the first ten
# participants' own.
_PORTS_IN_USE = (0, *range(10, 30, 2))
_SECONDS_TO_END = 10.0
_SHARED_MEMORY = "/dev/shm"


def config_file(name: str) -> Path:
    """A file of ``config/``: beside the package in a checkout, in the package's share folder once installed.

    Installed by pip that folder is under the prefix of the package itself, which no sourced workspace knows of.

    Raises:
        InputFileError: it is in none of these places.
    """
    missed = []
    for folder in _config_folders():
        if (folder / name).is_file():
            return folder / name
        missed.append(str(folder))
    raise InputFileError(f"config file {name}: in none of {', '.join(missed)}; install the package again")


def _config_folders() -> Iterator[Path]:
    """Where ``config/`` may be, nearest first; ROS 2's index is asked last."""
    package = Path(ffstereo_ros.__file__).resolve().parent
    yield package.parent / "config"
    for prefix in package.parents[3:4]:  # of lib/pythonX.Y/site-packages
        yield prefix / "share" / "ffstereo_ros" / "config"
    try:
        from ament_index_python.packages import get_package_share_directory

        share = get_package_share_directory("ffstereo_ros")
    except (ImportError, LookupError, OSError):  # no ROS 2, not in its index, no workspace sourced
        return
    yield Path(share) / "config"


def transport_environment() -> dict[str, str]:
    """What gives Fast DDS shared memory large enough for images in this release of ROS 2."""
    return dict.fromkeys(variables_to_set(), str(config_file(PROFILE)))


@contextmanager
def private_graph() -> Iterator[dict[str, str]]:
    """The environment of a graph that nobody else on this host is in, held until the block ends.

    Raises:
        BackendError: no free domain.
    """
    for domain in _clean_first():
        lock = _lock(domain)
        if lock is not None:
            with lock:
                yield {
                    **transport_environment(),
                    "ROS_DOMAIN_ID": str(domain),
                    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
                }
            return
    raise BackendError(f"all ROS domains from {_DOMAINS[0]} to {_DOMAINS[-1]} are in use on this host: stop some nodes")


def _clean_first() -> list[int]:
    """All domains, at the end those of whose ports Fast DDS has left something in shared memory.

    Killed processes leave it; who listens at such a port next may not be heard of for minutes.
    """
    try:
        names = os.listdir(_SHARED_MEMORY)
    except OSError:  # not Linux
        names = []
    ports = [int(found[1]) for found in (re.fullmatch(r"fast(?:rtps|dds)_port(\d+)", name) for name in names) if found]
    touched = {(port - _FIRST_PORT) // _PORTS_A_DOMAIN for port in ports}
    return sorted(_DOMAINS, key=touched.__contains__)


def _lock(domain: int) -> socket.socket | None:
    """A bound TCP socket that keeps other private graphs out, or None where the domain is in use."""
    port = _FIRST_PORT + _PORTS_A_DOMAIN * domain
    lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        lock.bind(("127.0.0.1", port))
        for offset in _PORTS_IN_USE:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("", port + offset))
    except OSError:
        lock.close()
        return None
    return lock


class ModuleProcess:
    """``python -m MODULE`` in a session of its own, output in a file; it ends with the ``with`` block.

    Args:
        name: for people.
        module: what to run.
        arguments: its command line.
        environment: added to this process's environment.
        log: file for everything it prints.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.log = log
        command = [sys.executable, "-m", module, *arguments]
        # PYTHONUNBUFFERED: the log has to be complete when the process dies.
        merged = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, env=merged, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> ModuleProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Sends a signal and does not wait."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """Asks it to end with SIGINT, then less kindly, and returns its exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()

    def tail(self, lines: int = 15) -> str:
        """The last lines it printed."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

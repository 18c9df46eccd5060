"""``ffstereo`` in a process of its own on a machine where some packages are not installed."""

from __future__ import annotations

import subprocess
import sys

# Not found, as where they are not installed; a package that is None in sys.modules would not be the same to find_spec.
_PROGRAM = """
import sys
from importlib.machinery import PathFinder
absent, arguments = sys.argv[1].split(","), sys.argv[2:]
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else super().find_spec(name, path, target)
sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from ffstereo_ros.cli.main import main
sys.exit(main(arguments))
"""


def ffstereo_without(absent: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command; ``absent`` names the packages that are not there, with commas."""
    command = [sys.executable, "-c", _PROGRAM, absent, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)

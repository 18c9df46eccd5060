"""Who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "ffstereo_ros"
PARTS = sorted(
    path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or any(path.glob("*.py")) if path.stem != "__init__"
)

# What each part may import of the others; a part that is not named may import all but `ros` and `cli`.
LOWEST = {"errors", "parameter", "params"}
ALLOWED = {
    "errors": set(),
    "parameter": {"errors"},
    "params": {"errors", "parameter"},
    "user_cache": {"errors"},
    "core": LOWEST,
    "kernels": {*LOWEST, "user_cache"},
    "network": {*LOWEST, "kernels"},
    "backends": {*LOWEST, "core", "network", "kernels"},
    "files": {*LOWEST, "core"},
    "factory": {*LOWEST, "core", "backends", "network", "weights", "export"},
    "cli": set(PARTS),
    "ros": set(PARTS) - {"cli"},
}
ROS = {"rclpy", "sensor_msgs", "stereo_msgs", "diagnostic_msgs", "std_msgs", "std_srvs", "message_filters", "cv_bridge"}

# Everything that is neither Python's own nor named first on the command line cannot be imported.
IMPORT_WITH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("ffstereo_ros", *sys.argv[1].split(",")):
            raise ImportError(f"{name} was imported")
sys.meta_path.insert(0, Refuse())
for name in sys.argv[2:]:
    __import__(name)
"""


def imports_of(part: str) -> Iterator[tuple[str, str]]:
    """File and dotted name of every import in a part of the package, also those inside functions."""
    root = PACKAGE / part
    for path in [*root.rglob("*.py")] if root.is_dir() else [root.with_suffix(".py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import hides who imports whom"
                assert node.module is not None
                yield from ((path.name, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    allowed = {part, "__version__", *ALLOWED.get(part, set(PARTS) - {"ros", "cli"})}
    ours = [(file, name.split(".")[1]) for file, name in imports_of(part) if name.startswith("ffstereo_ros.")]
    assert [f"{file} imports {name}" for file, name in ours if name not in allowed] == []


@pytest.mark.parametrize("part", [part for part in PARTS if part != "ros"])
def test_ros_is_imported_in_ros_alone(part: str) -> None:
    assert [file for file, name in imports_of(part) if name.partition(".")[0] in ROS] == []


@pytest.mark.parametrize("part", ["core", "files", "demo", "params", "errors", "factory"])
def test_torch_is_imported_where_networks_are(part: str) -> None:
    assert [file for file, name in imports_of(part) if name.partition(".")[0] == "torch"] == []


def import_with(present: str, *names: str) -> str:
    """What goes wrong when only ``present`` is installed; empty = nothing."""
    run = subprocess.run([sys.executable, "-c", IMPORT_WITH, present, *names], capture_output=True, text=True)
    return run.stderr


def test_the_package_needs_numpy_alone() -> None:
    names = ("ffstereo_ros", "ffstereo_ros.errors", "ffstereo_ros.params", "ffstereo_ros.core.camera")
    assert import_with("numpy", *names) == ""
    assert "cv2 was imported" in import_with("numpy", "cv2"), "the refusal itself does not work"


def test_core_and_factory_need_neither_torch_nor_ros() -> None:
    core = [f"ffstereo_ros.core.{path.stem}" for path in (PACKAGE / "core").glob("*.py") if path.stem != "__init__"]
    assert import_with("numpy,cv2", "ffstereo_ros.factory", *core) == ""

"""What ROS 2 and pip are told about the package agrees with itself and with what is there."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from setuptools import Distribution

import ffstereo_ros

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def distribution(monkeypatch: pytest.MonkeyPatch) -> Distribution:
    """What setup.py says."""
    from distutils.core import run_setup

    monkeypatch.chdir(REPOSITORY)
    return run_setup("setup.py", stop_after="init")


@pytest.fixture(scope="module")
def manifest() -> ElementTree.Element:
    """package.xml."""
    return ElementTree.parse(REPOSITORY / "package.xml").getroot()


def text(manifest: ElementTree.Element, path: str) -> str:
    return manifest.findtext(path) or ""


def test_the_manifest_is_one_that_colcon_takes_for_ament_python(manifest: ElementTree.Element) -> None:
    assert (manifest.tag, manifest.get("format")) == ("package", "3")
    assert text(manifest, "export/build_type") == "ament_python"
    maintainer = manifest.find("maintainer")
    assert maintainer is not None
    # The form catkin_pkg wants; an address that it refuses turns the package into a plain Python one without a word.
    assert re.fullmatch(
        r"[-a-zA-Z0-9_%+]+(\.[-a-zA-Z0-9_%+]+)*@[-a-zA-Z0-9%]+(\.[-a-zA-Z0-9%]+)*\.[a-zA-Z]{2,}",
        maintainer.get("email", ""),
    )


def test_names_and_versions_agree(manifest: ElementTree.Element, distribution: Distribution) -> None:
    versions = {text(manifest, "version"), distribution.get_version(), ffstereo_ros.__version__}
    assert versions == {ffstereo_ros.__version__}
    assert text(manifest, "name") == distribution.get_name() == "ffstereo_ros"
    assert text(manifest, "license") == "Apache-2.0"
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text(encoding="utf-8")


def test_everything_that_is_launched_or_configured_is_installed(distribution: Distribution) -> None:
    installed = {file for _, files in distribution.data_files for file in files}
    there = {
        str(path.relative_to(REPOSITORY))
        for folder in ("launch", "config")
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there <= installed
    assert {"package.xml", "resource/ffstereo_ros"} <= installed


def test_every_package_is_installed(distribution: Distribution) -> None:
    there = {
        ".".join(path.parent.relative_to(REPOSITORY).parts) for path in REPOSITORY.glob("ffstereo_ros/**/__init__.py")
    }
    assert there == set(distribution.packages)


def test_every_entry_point_is_there(distribution: Distribution) -> None:
    for points in distribution.entry_points.values():
        for point in points:
            module, _, name = point.partition("=")[2].strip().partition(":")
            source = REPOSITORY / (module.replace(".", "/") + ".py")
            assert re.search(rf"^(def|class) {name}\b", source.read_text(encoding="utf-8"), re.MULTILINE), point


def test_what_colcon_test_looks_for(distribution: Distribution) -> None:
    assert any(name.startswith("pytest") for name in distribution.extras_require["test"])


def test_all_that_make_installs_is_pinned(distribution: Distribution) -> None:
    """Also what is needed by what is needed, as far as it is installed here."""
    lines = (REPOSITORY / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    script = (REPOSITORY / ".ci" / "make_venv").read_text(encoding="utf-8")
    extras = {extra for line in re.findall(r"extras=([a-z,]+)", script) for extra in line.strip(",").split(",")}
    assert {"ros", "torch", "test"} <= extras
    todo = [need for extra in sorted(extras) for need in distribution.extras_require[extra]]
    seen: set[str] = set()
    while todo:
        name = re.split(r"[^A-Za-z0-9._-]", todo.pop())[0].lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        assert name in pinned, f"{name} is not pinned in .ci/constraints.txt"
        try:
            todo += [need for need in requires(name) or [] if ";" not in need]
        except PackageNotFoundError:
            continue


@pytest.mark.skipif(
    importlib.util.find_spec("catkin_pkg") is None, reason="needs catkin_pkg, which comes with colcon-ros"
)
def test_the_manifest_satisfies_catkin_pkg() -> None:
    from catkin_pkg.package import parse_package

    warnings: list[str] = []
    assert parse_package(str(REPOSITORY), warnings=warnings).name == "ffstereo_ros"
    assert warnings == []

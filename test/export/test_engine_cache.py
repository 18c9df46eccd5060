"""Engines in the cache are complete or absent, whatever happens while they are written."""

import hashlib
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time

import pytest

from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.engine_cache import (
    EngineRecord,
    building,
    engines_dir,
    find_engine,
    store_engine,
    stored_engines,
)
from ffstereo_ros.export.engine_key import EngineKey

PLAN = bytes(range(256)) * 40


def key(**changes):
    values = {
        "library": "tensorrt",
        "library_version": "10.3.0",
        "gpu": "Orin",
        "driver": "",
        "height": 96,
        "width": 160,
        "iterations": 8,
        "max_disparity": 64,
        "precision": "fp16",
        "weights_sha256": "a" * 64,
        "package_version": "0.1.0",
    }
    return EngineKey(**{**values, **changes})


def record(built="2026-01-01T00:00:00+00:00", plan=PLAN, **changes):
    return EngineRecord(key(**changes), "mini", len(plan), hashlib.sha256(plan).hexdigest(), 124, 3.5, built)


def test_what_is_stored_is_found_by_its_key(tmp_path):
    stored = store_engine(record(), PLAN, b"cases", tmp_path)
    found = find_engine(key(), tmp_path)
    assert found == stored
    assert found.read_plan() == PLAN
    assert found.self_test.read_bytes() == b"cases"
    assert find_engine(key(width=192), tmp_path) is None


def test_the_sidecar_is_for_people(tmp_path):
    text = (store_engine(record(), PLAN, b"", tmp_path).folder / "engine.json").read_text()
    assert '"library_version": "10.3.0"' in text
    assert '"weights": "mini"' in text


def test_the_newest_comes_first(tmp_path):
    for built, width in (("2026-01-02", 160), ("2026-01-03", 192), ("2026-01-01", 224)):
        store_engine(record(built, width=width), PLAN, b"", tmp_path)
    assert [engine.record.key.width for engine in stored_engines(tmp_path).engines] == [192, 160, 224]


def test_the_cache_lies_where_the_weights_do(monkeypatch, tmp_path):
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path))
    assert engines_dir() == tmp_path / "engines"
    assert stored_engines().engines == ()


def test_a_truncated_or_altered_plan_is_refused(tmp_path):
    stored = store_engine(record(), PLAN, b"", tmp_path)
    plan = stored.folder / "engine.plan"
    plan.write_bytes(PLAN[:-1])
    with pytest.raises(BackendError, match="holds 10239 of 10240 bytes: it is truncated; build it again"):
        stored.read_plan()
    plan.write_bytes(PLAN[:-1] + b"x")
    with pytest.raises(BackendError, match="sha256 differs"):
        stored.read_plan()
    plan.unlink()
    with pytest.raises(BackendError, match="cannot be read"):
        stored.read_plan()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": {}}', '{"key": 5}'])
def test_a_damaged_sidecar_is_listed_as_such_and_the_others_still_found(tmp_path, text):
    good = store_engine(record(), PLAN, b"", tmp_path)
    bad = store_engine(record(width=192), PLAN, b"", tmp_path)
    (bad.folder / "engine.json").write_text(text)
    listing = stored_engines(tmp_path)
    assert listing.engines == (good,)
    assert len(listing.damaged) == 1
    assert "build" in listing.damaged[0]


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    """The kernel itself refuses to write beyond a limit; the plan before it stays."""
    old = store_engine(record(), PLAN, b"", tmp_path)
    script = textwrap.dedent(
        f"""
        import resource, signal, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from pathlib import Path
        from test_engine_cache import PLAN, record
        from ffstereo_ros.errors import BackendError
        from ffstereo_ros.export.engine_cache import store_engine
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            store_engine(record(width=192), PLAN, b"", Path({str(tmp_path)!r}))
        except BackendError as error:
            print(error)
        """
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "cannot be written (File too large, 0.0 MB are needed); free it or set FFSTEREO_CACHE" in run.stdout
    assert [path.name for path in tmp_path.iterdir()] == [old.folder.name]
    assert old.read_plan() == PLAN


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BackendError, match=r"engine cache .*file/engines cannot be written"),
        building(key(), tmp_path / "file" / "engines"),
    ):
        pass


def test_what_a_killed_build_left_is_swept_away(tmp_path):
    (tmp_path / f".{key().digest()}.part").mkdir()
    (tmp_path / f".{key().digest()}.part" / "engine.plan").write_bytes(b"half")
    assert stored_engines(tmp_path).engines == ()
    store_engine(record(), PLAN, b"", tmp_path)
    assert not list(tmp_path.glob(".*.part"))


def _build(folder, log):
    with building(key(), folder, say=lambda text: log.put("waited")):
        if find_engine(key(), folder) is None:
            log.put("built")
            time.sleep(0.5)
            store_engine(record(), PLAN, b"", folder)


def test_two_processes_build_one_engine(tmp_path):
    context = multiprocessing.get_context("spawn")
    log = context.Queue()
    builders = [context.Process(target=_build, args=(tmp_path, log)) for _ in range(2)]
    for process in builders:
        process.start()
    for process in builders:
        process.join(30)
        assert process.exitcode == 0
    said = [log.get(timeout=5) for _ in range(log.qsize())]
    assert said.count("built") == 1
    assert find_engine(key(), tmp_path).read_plan() == PLAN

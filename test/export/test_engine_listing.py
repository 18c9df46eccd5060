"""What `ffstereo weights list` says of engines."""

import pytest
from fake_tensorrt import fake_library
from test_engine_cache import PLAN, record

from ffstereo_ros.cli.main import main
from ffstereo_ros.errors import BackendError
from ffstereo_ros.export import engine_listing
from ffstereo_ros.export.engine_cache import engines_dir, store_engine


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path))


def test_an_engine_is_listed_with_what_keeps_it_from_fitting(monkeypatch, capsys):
    from ffstereo_ros.backends.tensorrt_device import GpuFacts

    store_engine(record(), PLAN, b"", engines_dir())
    monkeypatch.setattr(engine_listing, "load_tensorrt", lambda: fake_library("11.4.0.106"))
    monkeypatch.setattr(engine_listing, "gpu_facts", lambda: GpuFacts("Orin", "8.7", ""))
    main(["weights", "list"])
    out = capsys.readouterr().out
    assert "mini, 160x96 px, 8 iterations, 64 px, fp16, 0.0 MB, tensorrt 10.3.0" in out
    assert "does not fit: TensorRT version 10.3.0, wanted 11.4.0.106, GPU Orin, wanted Orin (compute capability" in out


def test_without_a_gpu_nothing_is_compared(monkeypatch, capsys):
    def none():
        raise BackendError("no GPU")

    store_engine(record(), PLAN, b"", engines_dir())
    monkeypatch.setattr(engine_listing, "load_tensorrt", none)
    main(["weights", "list"])
    out = capsys.readouterr().out
    assert "not compared with this machine" in out
    assert "this machine: no GPU" in out


def test_without_engines_there_is_no_word_of_them(capsys):
    main(["weights", "list"])
    assert "TensorRT" not in capsys.readouterr().out

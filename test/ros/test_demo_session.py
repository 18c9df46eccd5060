"""A run of the demo fails at once, with the words of the process that failed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros.demo_session import play
from ffstereo_ros.ros.processes import private_graph


def test_a_node_that_cannot_start_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with private_graph() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        began = time.monotonic()
        with pytest.raises(BackendError, match=r"the node ended with status 1.*(?s:.)*backend = 'magic'"):
            play("magic", count=1, environment=environment, logs=tmp_path, tell=lambda answered, count: None)
    assert time.monotonic() - began < 30

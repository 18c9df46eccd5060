"""What a benchmark page says of its machine."""

from __future__ import annotations

import sys
from datetime import datetime

import numpy as np
import pytest

from ffstereo_ros.machine import machine


def test_versions_and_date_are_named() -> None:
    facts = machine(("numpy", "no-such-package"))
    assert (facts["numpy"], facts["no-such-package"]) == (np.__version__, "not installed")
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert datetime.fromisoformat(facts["date"]).tzinfo is not None


def test_a_machine_without_opencv_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)  # as where it is not installed
    assert machine()["opencv"] == "not installed"

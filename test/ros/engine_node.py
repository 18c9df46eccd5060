"""A node on a machine with the stand-in for TensorRT and the engines in FFSTEREO_CACHE: run as a module by the tests.

With ``FFSTEREO_TEST_WITHOUT_TORCH`` torch is not there to take over.
"""

from __future__ import annotations

import os
import sys

import pytest
from fake_machine import pretend_machine

from ffstereo_ros import factory
from ffstereo_ros.errors import MissingDependencyError
from ffstereo_ros.ros.main import main


def _without_torch() -> None:
    raise MissingDependencyError("torch is not installed")


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        pretend_machine(patch)
        if os.environ.get("FFSTEREO_TEST_WITHOUT_TORCH"):
            patch.setattr(factory, "require_torch", _without_torch)
        sys.exit(main())

from __future__ import annotations

import pytest


@pytest.fixture
def bag_factory(tmp_path):
    """Makes small recordings under the test's folder: ``with bag_factory("name") as bag: bag.pair(stamp)``."""
    pytest.importorskip("rosbags", reason="needs rosbags: recordings cannot be made without")
    from bag_factory import BagFactory

    return lambda name="bag", storage="mcap": BagFactory(tmp_path / name, storage)

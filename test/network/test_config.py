"""The configuration's JSON form is strict: what it does not know, it names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.network.architectures import full_config
from ffstereo_ros.network.config import NetworkConfig

Plain = dict[str, Any]


def plain_full() -> Plain:
    plain: Plain = json.loads(json.dumps(full_config().to_dict()))
    return plain


def test_round_trip() -> None:
    assert NetworkConfig.from_dict(plain_full()) == full_config()


def test_frozen_and_hashable() -> None:
    config = full_config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_disparity = 64  # type: ignore[misc]
    assert hash(config) == hash(full_config())


def test_defaults_may_be_left_out() -> None:
    plain = plain_full()
    del plain["lookup"], plain["feature"]["conv8"]
    assert NetworkConfig.from_dict(plain) == full_config()


SLIPS: dict[str, tuple[Callable[[Plain], Any], str]] = {
    "unknown": (lambda c: c["volume"].update(colour=1), r"config\.volume has unknown entries colour"),
    "missing": (lambda c: c["volume"].pop("groups"), r"config\.volume lacks the entry groups"),
    "text for a number": (lambda c: c["volume"].update(groups="8"), r"config\.volume\.groups is '8': expected int"),
    "truth value for a number": (lambda c: c.update(max_disparity=True), r"max_disparity is True: expected int"),
    "number for a truth value": (lambda c: c["volume"].update(normalize=1), r"normalize is 1: expected bool"),
    "fraction": (lambda c: c.update(max_disparity=416.0), r"max_disparity is 416\.0: expected int"),
    "unknown block": (
        lambda c: c["classifier"].update(kind="exec"),
        r"config\.classifier has kind 'exec': allowed are conv",
    ),
    "no block": (lambda c: c.update(classifier=None), r"config\.classifier has kind None"),
    "kind is a list": (lambda c: c["classifier"].update(kind=["conv"]), r"config\.classifier has kind \['conv'\]"),
    "not a table": (lambda c: c.update(feature=[]), r"config\.feature is \[\]: expected a table"),
    "not a list": (lambda c: c["feature"].update(stages={}), r"config\.feature\.stages is \{\}: expected a list"),
    "other word": (
        lambda c: c["stem_2"]["blocks"][0].update(norm="layer"),
        r"blocks\[0\]\.norm is 'layer': allowed are 'batch'",
    ),
    "wrong kind": (lambda c: c["volume"]["proj_cmb"].update(kind="norm"), r"proj_cmb\.kind is 'norm': expected 'conv'"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_named(slip: str) -> None:
    change, message = SLIPS[slip]
    plain = plain_full()
    change(plain)
    with pytest.raises(ParameterError, match=message):
        NetworkConfig.from_dict(plain)

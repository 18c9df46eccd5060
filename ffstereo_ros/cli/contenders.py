"""Several backends or weights in one command: ``--backend sgbm torch --weights a.safetensors b.safetensors``."""

from __future__ import annotations

import argparse
import functools
from dataclasses import replace
from pathlib import Path

from ffstereo_ros.cli.matching import add_matching_arguments
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import FFStereoError, ParameterError
from ffstereo_ros.evaluation.evaluator import Contender
from ffstereo_ros.evaluation.labels import label
from ffstereo_ros.factory import MatcherSettings, create_matcher, create_sgbm_matcher, find_weights
from ffstereo_ros.params import BACKENDS, BY_NAME


def add_contender_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every matching command; ``--backend`` and ``--weights`` take several values.

    There is no ``--backend-fallback``: each is measured under its own name, a substitute would be under another's.
    """
    add_matching_arguments(parser, without=("backend_fallback",))
    for action in parser._actions:
        if action.dest in ("backend", "weights"):
            action.nargs = "+"
            action.default = [action.default]
            action.help = f"{action.help} Several are run side by side."


def contenders_of(args: argparse.Namespace) -> list[Contender]:
    """One contender for each backend, and for each weights file of those that need weights.

    Raises:
        ParameterError: a value is out of range, or the same contender is named twice.
    """
    contenders = []
    for backend in args.backend:
        if backend not in BACKENDS:
            raise ParameterError(f"backend = {backend!r}: allowed is {', '.join(BACKENDS)}")
        for weights in [""] if backend == "sgbm" else args.weights:
            settings = _settings(args, backend, weights)
            step = 16 if backend == "sgbm" else 32
            name = label(f"{backend} {Path(weights).stem}".strip())
            limit = None if backend == "sgbm" else _largest(weights)
            contenders.append(Contender(name, functools.partial(_create, settings), step, limit))
    labels = [contender.label for contender in contenders]
    if len(set(labels)) != len(labels):
        raise ParameterError(f"contenders {', '.join(labels)}: two have the same name; give each file its own name")
    return contenders


def _settings(args: argparse.Namespace, backend: str, weights: str) -> MatcherSettings:
    rest = {name: getattr(args, name) for name in MatcherSettings.__dataclass_fields__ if name in args}
    if backend == "sgbm":
        del rest["max_disparity"]  # its step is 16 px, and it is told with each matcher
    return MatcherSettings(**{**rest, "backend": backend, "weights": weights, "backend_fallback": "none"})


def _largest(weights: str) -> int:
    """The largest maximum disparity that a network can be asked for, px."""
    largest = int(BY_NAME["max_disparity"].high or 0)
    try:
        from ffstereo_ros.network.checkpoint.metadata import read_metadata

        return min(largest, read_metadata(find_weights(weights))[1].max_disparity)
    except (FFStereoError, ImportError):  # an engine made elsewhere; or what does not run, and says so when it is made
        return largest


def _create(settings: MatcherSettings, max_disparity: int) -> tuple[StereoMatcher, str]:
    if settings.backend == "sgbm":
        ready = create_sgbm_matcher(max_disparity, scale=settings.scale)
    else:
        ready = create_matcher(replace(settings, max_disparity=max_disparity))
    return ready.matcher, ready.reason

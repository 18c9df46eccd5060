"""Several backends or weights in one command: ``--backend sgbm torch --weights a.safetensors b.safetensors``."""

from __future__ import annotations

import argparse
import functools
from dataclasses import replace
from pathlib import Path

from ffstereo_ros.cli.matching import add_matching_arguments
from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.evaluation.evaluator import Contender
from ffstereo_ros.factory import MatcherSettings, create_matcher, create_sgbm_matcher
from ffstereo_ros.params import BACKENDS


def add_contender_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every matching command; ``--backend`` and ``--weights`` take several values."""
    add_matching_arguments(parser)
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
            label = f"{backend} {Path(weights).stem}".strip()
            contenders.append(Contender(label, functools.partial(_create, settings), step))
    labels = [contender.label for contender in contenders]
    if len(set(labels)) != len(labels):
        raise ParameterError(f"contenders {', '.join(labels)}: two have the same name; give each file its own name")
    return contenders


def _settings(args: argparse.Namespace, backend: str, weights: str) -> MatcherSettings:
    rest = {name: getattr(args, name) for name in MatcherSettings.__dataclass_fields__}
    if backend == "sgbm":
        del rest["max_disparity"]  # its step is 16 px, and it is told with each matcher
    # Each is measured under its own name: a substitute would be measured under another's.
    return MatcherSettings(**{**rest, "backend": backend, "weights": weights, "backend_fallback": "none"})


def _create(settings: MatcherSettings, max_disparity: int) -> tuple[StereoMatcher, str]:
    if settings.backend == "sgbm":
        ready = create_sgbm_matcher(max_disparity, scale=settings.scale)
    else:
        ready = create_matcher(replace(settings, max_disparity=max_disparity))
    return ready.matcher, ready.reason

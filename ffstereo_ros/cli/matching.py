"""The options of every command that matches: derived from ``params.py``, so that they cannot drift from the node's."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.factory import MatcherSettings
from ffstereo_ros.params import BY_NAME


def add_matching_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each field of `MatcherSettings`, with the default, range and sentence of ``params.py``."""
    _add_options(parser.add_argument_group("matching"), MatcherSettings.__dataclass_fields__)


def settings_of(args: argparse.Namespace) -> MatcherSettings:
    """The settings the user gave, checked.

    Raises:
        ParameterError: a value is out of range.
    """
    return MatcherSettings(**{name: getattr(args, name) for name in MatcherSettings.__dataclass_fields__})


def add_filter_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each field of `FilterSettings`, likewise."""
    _add_options(
        parser.add_argument_group("filters", "what the node can take out; all are off"),
        FilterSettings.__dataclass_fields__,
    )


def filters_of(args: argparse.Namespace) -> FilterSettings:
    """The filters the user switched on, checked.

    Raises:
        ParameterError: a value is out of range.
    """
    return FilterSettings(**{name: getattr(args, name) for name in FilterSettings.__dataclass_fields__})


def _add_options(group: argparse._ArgumentGroup, names: Iterable[str]) -> None:
    for name in names:
        parameter = BY_NAME[name]
        option = "--" + name.replace("_", "-")
        text = f"{parameter.description} Allowed: {parameter.allowed()}; default: {parameter.default!r}."
        text = text.replace("%", "%%")
        if parameter.type is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=parameter.default, help=text)
        else:
            metavar = "|".join(parameter.choices) if parameter.choices else parameter.type.__name__.upper()
            group.add_argument(option, type=parameter.type, default=parameter.default, metavar=metavar, help=text)

"""The options of every command that matches: derived from ``params.py``, so that they cannot drift from the node's."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable

from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.factory import MatcherSettings
from ffstereo_ros.params import BY_NAME

# They mix a frame with those before it: a single pair has none.
_OVER_TIME = ("temporal_weight", "temporal_max_change")


def add_matching_arguments(parser: argparse.ArgumentParser, *, without: Collection[str] = ()) -> None:
    """One option for each field of `MatcherSettings`, with the default, range and sentence of ``params.py``.

    Args:
        without: fields that the command decides itself.
    """
    names = (name for name in MatcherSettings.__dataclass_fields__ if name not in without)
    _add_options(parser.add_argument_group("matching"), names)


def settings_of(args: argparse.Namespace) -> MatcherSettings:
    """The settings the user gave, checked.

    Raises:
        ParameterError: a value is out of range.
    """
    return MatcherSettings(**{name: getattr(args, name) for name in MatcherSettings.__dataclass_fields__})


def add_filter_arguments(parser: argparse.ArgumentParser, *, over_time: bool = False) -> None:
    """One option for each field of `FilterSettings`, likewise.

    Args:
        over_time: also of the filters that change nothing in a single pair.
    """
    names = (name for name in FilterSettings.__dataclass_fields__ if over_time or name not in _OVER_TIME)
    _add_options(parser.add_argument_group("filters", "what the node can take out; all are off"), names)


def filters_of(args: argparse.Namespace) -> FilterSettings:
    """The filters the user switched on, checked.

    Raises:
        ParameterError: a value is out of range.
    """
    names = (name for name in FilterSettings.__dataclass_fields__ if name in args)
    return FilterSettings(**{name: getattr(args, name) for name in names})


def options_of(filters: FilterSettings) -> list[str]:
    """What the user gave to switch filters on, as on the command line: ``--roi-x 40``, ``--left-band-filter``."""
    given = {name: value for name, value in vars(filters).items() if value != BY_NAME[name].default}
    return [_option(name) + ("" if value is True else f" {value}") for name, value in given.items()]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_options(group: argparse._ArgumentGroup, names: Iterable[str]) -> None:
    for name in names:
        parameter = BY_NAME[name]
        option = _option(name)
        text = f"{parameter.description} Allowed: {parameter.allowed()}; default: {parameter.default!r}."
        text = text.replace("%", "%%")
        if parameter.type is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=parameter.default, help=text)
        else:
            metavar = "|".join(parameter.choices) if parameter.choices else parameter.type.__name__.upper()
            group.add_argument(option, type=parameter.type, default=parameter.default, metavar=metavar, help=text)

"""``params.py`` as people read it: the table of the README and the parameter file, which tests hold to this."""

from __future__ import annotations

from ffstereo_ros.parameter import Changes, Parameter, Value
from ffstereo_ros.params import PARAMETERS

_WHEN: dict[Changes, str] = {"running": "any time", "inactive": "while inactive", "start": "at start"}


def markdown_table() -> str:
    """The parameter table of the README."""
    lines = ["| parameter | default | allowed | changes | meaning |", "|---|---|---|---|---|"]
    lines += [_row(parameter) for parameter in PARAMETERS]
    return "\n".join(lines) + "\n"


def yaml_file() -> str:
    """``config/stereo_node.param.yaml``: every parameter at its default, for any node name and namespace."""
    lines = [
        "# Every parameter of stereo_node at its default; written by `python -m ffstereo_ros.params_text`.",
        "/**:",
        "  ros__parameters:",
    ]
    for parameter in PARAMETERS:
        lines += _entry(parameter)
    return "\n".join(lines) + "\n"


def _row(parameter: Parameter) -> str:
    cells = (
        f"`{parameter.name}`",
        f"`{_literal(parameter.default)}`",
        parameter.allowed(),
        _WHEN[parameter.changes],
        parameter.description,
    )
    return f"| {' | '.join(cells)} |"


def _entry(parameter: Parameter) -> list[str]:
    return [
        f"    # {parameter.description} Allowed: {parameter.allowed()}.",
        f"    {parameter.name}: {_literal(parameter.default)}",
    ]


def _literal(value: Value) -> str:
    """As YAML writes it: a text in quotes, a float with its point, so that ROS keeps the type."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    print(yaml_file(), end="")

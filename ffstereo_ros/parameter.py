"""What a parameter is: its type, range and sentence, and when a new value is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

from ffstereo_ros.errors import ParameterError

Value = bool | int | float | str

# When a new value is taken: between two frames; by the next activation, so only an inactive node takes it; never.
Changes = Literal["running", "inactive", "start"]
RUNNING: Changes = "running"
INACTIVE: Changes = "inactive"
START: Changes = "start"

# Each type in the words of people.
_NEEDED: dict[type, str] = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: as in ROS, snake_case.
        default: its type is the parameter's type.
        description: one sentence for people.
        unit: ``px``, ``m``, ``s``, ``Hz`` or empty.
        low, high: inclusive range of a number.
        zero: 0 is allowed below the range too.
        step: distance of allowed integers counted from ``low``, 0 = any.
        choices: allowed texts, empty = any.
        changes: when the node takes a new value.
    """

    name: str
    default: Value
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    zero: bool = False
    step: int = 0
    choices: tuple[str, ...] = ()
    changes: Changes = RUNNING

    @property
    def type(self) -> type:
        """bool, int, float or str."""
        return type(self.default)

    def allowed(self) -> str:
        """What is allowed, for people: ``32 to 512 px in steps of 32``."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None or self.high is None:
            return {bool: "true, false", int: "integer", float: "number", str: "text"}[self.type]
        text = f"{self.low:g} to {self.high:g}" + (f" {self.unit}" if self.unit else "")
        text = f"0, {text}" if self.zero else text
        return text + (f" in steps of {self.step}" if self.step else "")

    def check(self, value: Any) -> Value:
        """The value, if it is allowed; an int is taken for a float parameter.

        Raises:
            ParameterError: wrong type, not finite, out of range, or not among the choices.
        """
        checked = float(value) if self.type is float and type(value) is int else value
        if type(checked) is not self.type:
            raise self._refuse(value, f"{_NEEDED[self.type]} is needed")
        if self.choices and checked not in self.choices:
            raise self._refuse(value, f"allowed is {self.allowed()}")
        if isinstance(checked, int | float) and not self._in_range(checked):
            raise self._refuse(value, f"allowed is {self.allowed()}")
        return cast(Value, checked)

    def _in_range(self, value: float) -> bool:
        if self.low is None or self.high is None or (self.zero and value == 0):
            return True
        on_step = not self.step or (value - self.low) % self.step == 0
        return math.isfinite(value) and self.low <= value <= self.high and on_step

    def _refuse(self, value: Any, allowed: str) -> ParameterError:
        unit = f" {self.unit}" if self.unit else ""
        return ParameterError(f"{self.name} = {value!r}{unit}: {allowed} (default {self.default!r})")

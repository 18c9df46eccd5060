"""Every parameter is declared once; what is out of range is refused with what is allowed."""

import pytest

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.factory import MatcherSettings
from ffstereo_ros.params import BY_NAME, PARAMETERS, check_all, defaults


def test_defaults_are_allowed():
    assert check_all({}) == defaults()


def test_every_parameter_says_what_it_is():
    for parameter in PARAMETERS:
        assert parameter.description.endswith("."), parameter.name
        assert parameter.type in (bool, int, float, str)
        assert parameter.type not in (int, float) or parameter.low is not None, parameter.name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_disparity", 100),
        ("max_disparity", 0),
        ("iterations", 0),
        ("iterations", 2.5),
        ("iterations", True),
        ("scale", float("nan")),
        ("scale", 9.0),
        ("scale", 0.1),
        ("scale", -1.0),
        ("backend", "magic"),
        ("hierarchical", 1),
    ],
)
def test_refuses_by_name_and_says_what_is_allowed(name, value):
    with pytest.raises(ParameterError, match=f"{name} = .*(allowed|needed)"):
        check_all({name: value})


def test_an_int_is_taken_for_a_float():
    assert check_all({"scale": 1})["scale"] == 1.0


def test_scale_may_be_left_to_the_weights():
    assert check_all({"scale": 0})["scale"] == 0.0
    assert BY_NAME["scale"].allowed() == "0, 0.125 to 4"


def test_an_unknown_name_is_refused():
    with pytest.raises(ParameterError, match="unknown parameter iteration"):
        check_all({"iteration": 8})


def test_settings_check_themselves():
    with pytest.raises(ParameterError, match="iterations"):
        MatcherSettings(iterations=0)

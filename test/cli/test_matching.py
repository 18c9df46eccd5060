"""The options that every matching command shares."""

from __future__ import annotations

import pytest

from ffstereo_ros.cli.matching import options_of
from ffstereo_ros.core.filters.chain import FilterSettings
from ffstereo_ros.errors import ParameterError
from ffstereo_ros.params import BY_NAME


def test_filters_are_named_as_they_were_given():
    assert options_of(FilterSettings()) == []
    given = FilterSettings(roi_x=40, left_band_filter=True, confidence_threshold=0.5)
    assert options_of(given) == ["--roi-x 40", "--left-band-filter", "--confidence-threshold 0.5"]


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("iterations", "many", "an integer is needed"),
        ("scale", "large", "a number is needed"),
        ("left_band_filter", 1, "true or false is needed"),
        ("backend", 3, "a text is needed"),
    ],
)
def test_a_value_of_another_type_is_refused_in_words(name, value, needed):
    with pytest.raises(ParameterError, match=needed):
        BY_NAME[name].check(value)

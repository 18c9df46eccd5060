"""Pages of figures: what a reader of Markdown makes a table and a list of."""

from __future__ import annotations

from ffstereo_ros import markdown


def test_a_table_has_a_rule_as_wide_as_its_head() -> None:
    assert markdown.table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_page_tells_the_method_then_the_machine_then_the_figures() -> None:
    page = markdown.page("# Speed\n\nHow.\n", {"cores": "2"}, "| a |")
    assert page == "# Speed\n\nHow.\n\n## Machine\n\n- cores: 2\n\n## Figures\n\n| a |\n"

"""No page says what the code does not say any more."""

from __future__ import annotations

import pytest

from docs.generate import pages

RENEW = "renew them: .venv/bin/python -m docs.generate"


def test_every_generated_part_is_as_the_code_makes_it() -> None:
    old = [str(path.relative_to(pages.ROOT)) for path in pages.outdated()]

    assert old == [], RENEW


def test_every_part_stands_on_exactly_one_page() -> None:
    placed = [name for page in pages.pages() for name in pages.parts_of(page.read_text())]

    assert sorted(placed) == sorted(pages.PARTS)


@pytest.mark.parametrize(
    "page",
    [
        "<!-- generated: nothing known -->\n<!-- end of nothing known -->",
        "<!-- generated: checks -->\n<!-- end of drills -->",
        "<!-- generated: checks -->\n",
        "<!-- end of checks -->\n<!-- generated: checks -->",
    ],
)
def test_a_marker_that_nothing_renews_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="markers that do not fit"):
        pages.renewed(page)


def test_the_prose_around_a_part_is_left_as_it_is() -> None:
    page = "before\n<!-- generated: verdicts -->\nold\n<!-- end of verdicts -->\nafter"

    renewed = pages.renewed(page)

    assert renewed.startswith("before\n<!-- generated: verdicts -->\n| verdict |")
    assert renewed.endswith("\n<!-- end of verdicts -->\nafter")

"""`order trace` names the trace that every process told its spans of, and its page."""

from __future__ import annotations

import pytest

from bookpayctl.trace.collect import OrderTimeline

ROOT = "11111111-2222-4333-8444-555555555555"
TRACE_ID = "11111111222243338444555555555555"


@pytest.mark.parametrize(
    ("root", "template", "url"),
    [
        (
            ROOT,
            "http://traces/trace/{trace_id}?uiFind={x}",
            f"http://traces/trace/{TRACE_ID}?uiFind={{x}}",
        ),
        (ROOT, "", None),
        (None, "http://traces/trace/{trace_id}", None),
    ],
)
def test_the_page_of_a_trace_is_named_by_its_id(
    root: str | None, template: str, url: str | None
) -> None:
    timeline = OrderTimeline({}, root)

    timeline.link(template)

    assert (timeline.trace_id, timeline.trace_url) == (TRACE_ID if root else None, url)

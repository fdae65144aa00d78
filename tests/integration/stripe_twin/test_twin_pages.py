"""The journal of requests comes in pages: what was there, once, whatever is added meanwhile."""

from __future__ import annotations

from bookpayctl.clients.stripe_twin import TwinControl
from tests.support.twin import Twin

PAGE_ROWS = 4
REQUESTS = 11


def test_every_request_comes_once_while_others_are_made(twin: Twin) -> None:
    for _ in range(REQUESTS):
        twin.charge()
    control = TwinControl(twin.control)
    there = {row["n"] for row in control.rows("requests", method="POST")}

    seen = []
    for row in control.each("requests", {"method": "POST"}, page_rows=PAGE_ROWS):
        seen.append(row["n"])
        if len(seen) % PAGE_ROWS == 1 and len(seen) < REQUESTS:
            twin.charge()

    assert len(there) >= REQUESTS
    assert len(seen) == len(set(seen))
    assert there < set(seen)
    assert seen == sorted(seen)
    control.close()


def test_what_is_asked_from_a_row_on_begins_behind_it(twin: Twin) -> None:
    for _ in range(REQUESTS):
        twin.charge()
    control = TwinControl(twin.control)
    every = [row["n"] for row in control.rows("requests")]

    later = [row["n"] for row in control.rows("requests", after=every[-PAGE_ROWS - 1])]

    assert later == every[-PAGE_ROWS:]
    control.close()


def test_a_page_says_whether_there_are_more(twin: Twin) -> None:
    for _ in range(3):
        twin.charge()
    last = twin.rows("/executions")[-1]["n"]

    first = twin.ask("GET", "/executions?limit=1")
    rest = twin.ask("GET", f"/executions?after={last - 1}&limit=1")

    assert (len(first["data"]), first["has_more"]) == (1, True)
    assert (len(rest["data"]), rest["has_more"]) == (1, False)

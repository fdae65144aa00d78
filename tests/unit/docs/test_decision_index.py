"""Every decision says whether it still holds, and the index finds it by the words one looks for."""

from __future__ import annotations

import pytest

from docs.generate import decision_index
from docs.generate.decision_index import Entry

ENTRIES = decision_index.entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.number)
def test_a_decision_has_the_number_of_its_file(entry: Entry) -> None:
    assert entry.path.name.startswith(f"{entry.number}-")


def test_a_superseded_decision_names_a_later_one_that_names_it() -> None:
    by_number = {entry.number: entry for entry in ENTRIES}
    pairs = [
        (entry.number, entry.status.split()[-1]) for entry in ENTRIES if entry.status != "accepted"
    ]

    wrong = [
        (old, new)
        for old, new in pairs
        if new <= old or new not in by_number or old not in by_number[new].path.read_text()
    ]

    assert wrong == []


def test_the_index_has_one_row_for_each_decision() -> None:
    rows = decision_index.index().splitlines()[2:]

    assert [row.split(" | ")[0].strip("| ") for row in rows] == [e.number for e in ENTRIES]

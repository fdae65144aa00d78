"""Every decision says whether it still holds, and the index finds it by the words one looks for."""

from __future__ import annotations

import pytest

from docs.generate import decision_index
from docs.generate.decision_index import Entry

ENTRIES = decision_index.entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.number)
def test_a_decision_has_the_number_of_its_file(entry: Entry) -> None:
    assert entry.path.name.startswith(f"{entry.number}-")


def test_a_superseded_decision_and_the_later_one_name_each_other() -> None:
    by_number = {entry.number: entry for entry in ENTRIES}
    pairs = [
        (entry.number, entry.status.removeprefix("superseded by "))
        for entry in ENTRIES
        if entry.status.startswith("superseded")
    ]
    claimed = [
        (entry.status.split()[-1], entry.number)
        for entry in ENTRIES
        if "supersedes" in entry.status
    ]

    assert sorted(pairs) == sorted(claimed)
    assert [pair for pair in pairs if pair[1] <= pair[0] or pair[1] not in by_number] == []


def test_the_index_has_one_row_for_each_decision() -> None:
    rows = decision_index.index().splitlines()[2:]

    assert [row.split(" | ")[0].strip("| ") for row in rows] == [e.number for e in ENTRIES]

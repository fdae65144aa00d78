"""Names in a command, and the words it becomes."""

from __future__ import annotations

from bookpayctl.runbook.redaction import redacted
from bookpayctl.runbook.variables import names_in, words_of


def test_a_value_is_one_word_whatever_it_holds() -> None:
    words = words_of('psql $DB_DSN -c "select 1"', {"DB_DSN": "a b; rm -rf '/'"})

    assert words == ["psql", "a b; rm -rf '/'", "-c", "select 1"]


def test_only_names_in_capitals_are_names() -> None:
    assert names_in("$ORDER $order $.a$ ${X} $A1_B") == {"ORDER", "A1_B"}


def test_what_a_shell_would_read_may_stand_in_quotes() -> None:
    assert words_of("psql -c 'select 1; select a > b'", {}) == [
        *("psql", "-c", "select 1; select a > b"),
    ]


def test_secrets_are_told_by_value_and_by_shape() -> None:
    # Put together here, so that no file holds what looks like one.
    shaped = "_".join(("sk", "test", "4eC39Hq"))
    text = f"key {shaped}, postgresql://me:hunter2@db/x password=hunter3 and token-of-mine"

    clean = redacted(text, ["token-of-mine", "token-of", "me"])

    assert clean == (
        "key [redacted], postgresql://[redacted]@db/x password=[redacted] and [redacted]"
    )

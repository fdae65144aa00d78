"""The recording tap's journal read as evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bookpayctl.clients.stripe_api import StripeReadError
from bookpayctl.judge.readers.tap import UNHASHED, is_executed, read_tap


def asked(number: int, key: str) -> dict[str, object]:
    return {
        "event": "request",
        "n": number,
        "method": "POST",
        "path": "/v1/payment_intents",
        "idempotency_key": key,
        "params": {"metadata[env]": "shop"},
        "body_sha256": None,
    }


def answered(number: int, **found: object) -> dict[str, object]:
    return {"event": "answer", "n": number, "outcome": "answered", **found}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "journal.jsonl"
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{line}\n" for line in text))
    return path


def test_each_request_has_the_answer_of_its_own_process(tmp_path: Path) -> None:
    """Numbers begin again with each process of the tap."""
    path = written(
        tmp_path,
        asked(1, "cut short"),
        {"event": "connection_failed", "detail": "reset"},
        asked(1, "after the restart"),
        answered(1, status=200, request_id="req_1", replayed=False, object_id="pi_1"),
    )

    first, second = read_tap(path)

    assert (first["idempotency_key"], first["status"]) == ("cut short", None)
    assert (second["status"], second["request_id"], second["object_id"]) == (200, "req_1", "pi_1")
    assert (second["env"], second["body_sha256"]) == ("shop", UNHASHED)


def test_half_a_line_is_no_evidence_and_hides_none(tmp_path: Path) -> None:
    path = written(tmp_path, '{"event":"request","n":1,"me', asked(1, "k"), "[]")

    assert [row["idempotency_key"] for row in read_tap(path)] == ["k"]


def test_a_journal_that_is_not_there_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(StripeReadError, match="cannot be read"):
        read_tap(tmp_path / "journal.jsonl")


@pytest.mark.parametrize(
    ("status", "replayed", "executed"),
    [
        (200, False, True),
        (402, False, True),
        (200, True, False),
        (400, False, False),
        (500, False, False),
        (None, False, True),
    ],
)
def test_what_nobody_saw_the_end_of_may_have_been_executed(
    status: int | None, replayed: bool, executed: bool
) -> None:
    assert is_executed({"status": status, "replayed": replayed}) is executed

"""`bookpayctl stripe ...` against a running twin, as an operator types it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Child
from tests.support.twin import STARTED, Twin, TwinProcess, new_key
from tests.support.waiting import eventually


def bookpayctl(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bookpayctl", "stripe", *arguments],
        env={**os.environ, "NO_COLOR": "1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def document(twin: TwinProcess, *arguments: str) -> dict[str, Any]:
    done = bookpayctl(*arguments, "-o", "json", "--control-url", twin.control)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_fault_is_added_listed_hit_and_cleared(twin: TwinProcess) -> None:
    key = new_key()
    match = ("--match", f"key={key}", "--match", "metadata.order_id=o-1")

    added = document(twin, "fault", "add", "execute_then_500", "--count", "2", *match)
    listed = document(twin, "fault", "list")["data"]
    answer = twin.charge(key, **{"metadata[order_id]": "o-1"})
    hits = document(twin, "fault", "hits", "--fault-id", added["id"])["data"]
    cleared = document(twin, "fault", "clear", added["id"])

    assert added["exit"] == {"code": 0, "reason": "ok"}
    assert listed[0]["match"] == {"key": key, "metadata": {"order_id": "o-1"}}
    assert answer.status == 500
    assert [hit["idempotency_key"] for hit in hits] == [key]
    assert cleared["cleared"] == 1


def test_charges_and_requests_are_shown_by_event(twin: TwinProcess) -> None:
    event_id = new_key()
    twin.charge(event_id, **{"metadata[event_id]": event_id})
    twin.charge(event_id, **{"metadata[event_id]": event_id})

    charges = document(twin, "charges", "--event-id", event_id)["data"]
    requests = document(twin, "requests", "--key", event_id)["data"]
    table = bookpayctl("requests", "--key", event_id, BOOKPAY_STRIPE_CONTROL_URL=twin.control)

    assert [(row["kind"], row["amount"]) for row in charges] == [("charge", 2000)]
    assert [(row["executed"], row["replayed"]) for row in requests] == [
        (True, False),
        (False, True),
    ]
    assert table.stdout.splitlines()[0].split()[:4] == ["n", "method", "path", "status"]
    assert [event_id in line for line in table.stdout.splitlines()] == [False, True, True]


def test_time_passes_and_payments_complete(twin: TwinProcess) -> None:
    made = twin.charge(new_key(), payment_method="pm_card_authenticationRequired").json
    before = document(twin, "clock", "show")["offset_seconds"]

    done = document(twin, "complete", made["id"])
    after = document(twin, "clock", "advance", "1h30m")["offset_seconds"]

    assert done["status"] == "succeeded"
    assert after == before + 5400


def test_an_event_is_delivered_again(twin: TwinProcess) -> None:
    twin.charge(new_key())
    event = twin.get("/v1/events", limit=1).json["data"][0]

    answer = document(twin, "deliver", event["id"])

    assert answer["event"] == event["id"]
    assert document(twin, "events", "--event-id", event["id"])["data"] == []


def test_status_counts_the_charges_it_holds(twin: TwinProcess) -> None:
    twin.charge(new_key())
    executed = [row["kind"] for row in twin.rows("/executions")]

    answer = document(twin, "status")

    assert answer["kind"] == "StripeTwinStatus"
    counts = [sums["count"] for sums in answer["executions"]["charge"].values()]
    assert sum(counts) == executed.count("charge") >= 1


def test_sums_of_two_currencies_are_never_added(twin: TwinProcess) -> None:
    def shown(currency: str) -> str:
        done = bookpayctl("status", "--control-url", twin.control)
        (line,) = re.findall(rf"^executions.charge +(.+ {currency})$", done.stdout, re.MULTILINE)
        return str(line)

    twin.charge(new_key(), amount=500, currency="jpy")
    twin.charge(new_key(), amount=1500, currency="kwd")
    sums = document(twin, "status")["executions"]["charge"]
    yen, dinars = sums["jpy"], sums["kwd"]

    assert shown("jpy") == f"{yen['count']}, {yen['amount']} jpy"
    whole, part = divmod(dinars["amount"], 1000)
    assert shown("kwd") == f"{dinars['count']}, {whole}.{part:03} kwd"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fault", "add", "explode"), 2, "unknown action"),
        (("fault", "clear", "fault_nobody"), 2, "no active fault"),
        (("complete", "pi_nobody"), 2, "No such payment_intent"),
        (("deliver", "evt_nobody"), 2, "no event"),
        (("clock", "advance", "soon"), 2, "no duration"),
    ],
)
def test_what_the_twin_refuses_is_a_usage_error(
    twin: TwinProcess, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = bookpayctl(*arguments, "--control-url", twin.control)

    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_nobody_at_the_control_url_is_unknown() -> None:
    done = bookpayctl("status", "--control-url", "http://127.0.0.1:9")

    assert (done.returncode, done.stdout) == (3, "")


def test_serve_says_how_to_use_it_and_stops_on_interrupt(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bookpayctl", "stripe", "serve", "--data", str(tmp_path)]
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--endpoint", "http://127.0.0.1:9/hook", "--latency", "1ms"],
            stderr=stderr,
            stdout=subprocess.PIPE,
        )
    eventually(lambda: "ready" in log.read_text(), "the twin is ready")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)

    said = log.read_text()
    assert process.returncode == 0
    assert stdout == b""
    assert "export STRIPE_API_BASE=http://127.0.0.1:" in said
    assert "export STRIPE_API_KEY=sk_test_" in said
    assert "export STRIPE_WEBHOOK_SECRET=whsec_" in said
    assert "export BOOKPAY_STRIPE_CONTROL_URL=http://127.0.0.1:" in said


def test_serve_in_its_shortest_form_goes_on_when_it_idles(tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
    child = Child("serve", tmp_path / "log")
    STARTED.append(child)
    child.launch(
        [sys.executable, "-m", "bookpayctl", "stripe", "serve"], variables, directory=tmp_path
    )
    # Only a twin that idles has time for its search index; this is its first round.
    index = tmp_path / ".bookpay" / "twin" / "search.sqlite3"
    child.wait_until(lambda: "ready" in child.log, "is ready")
    child.wait_until(index.exists, "takes up its index")

    told = dict(re.findall(r"export (\w+)=(\S+)", child.log))
    twin = Twin(told["STRIPE_API_BASE"], told["BOOKPAY_STRIPE_CONTROL_URL"])
    charged = twin.charge(new_key()).status
    # A search reads through the index: it is there, and it answers.
    found = twin.get("/v1/charges/search", query="currency:'usd'").status
    twin.http.close_connections()
    child.signal(signal.SIGINT)

    assert (charged, found) == (200, 200)
    assert child.wait_end() == 0, child.log


@pytest.mark.parametrize("said", ["whsec_given", "-"])
def test_serve_signs_with_the_secret_it_is_given(tmp_path: Path, said: str) -> None:
    command = [sys.executable, "-m", "bookpayctl", "stripe", "serve", "--data", str(tmp_path)]
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--endpoint", "http://127.0.0.1:9/hook", "--secret", said],
            stdin=subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdin is not None
    process.stdin.write(b"whsec_given\n")
    process.stdin.flush()
    eventually(lambda: "ready" in log.read_text(), "the twin is ready")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert "export STRIPE_WEBHOOK_SECRET=whsec_given" in log.read_text()
    assert process.returncode == 0


def test_serve_refuses_an_empty_secret(tmp_path: Path) -> None:
    done = bookpayctl("serve", "--data", str(tmp_path), "--secret", "")

    assert done.returncode == 2
    assert "forgeable" in done.stderr

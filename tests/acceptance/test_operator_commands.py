"""What an operator does at three in the morning, by the commands alone, on a whole environment."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.runs.waiting import wait_until
from tests.support.command_line import CommandLine, environment_that_is_up
from tests.support.command_tree import asking_for_a_document, leaves
from tests.support.many_commands import run_all, wrong_with_all

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with environment_that_is_up(tmp_path_factory.mktemp("operator")) as found:
        yield found


# These disturb what they are asked in, or take it away; `logs` prints a document for each line;
# `bench` takes minutes on servers of its own: see test_bench.
DISTURBING = {"up", "down", "demo", "certify", "stripe fault add", "stripe clock advance", "logs"}
DISTURBING |= {"bench"}


def test_in_a_shop_without_orders_every_command_prints_one_document(shop: CommandLine) -> None:
    """First: there is nothing in it yet, and what these make is honest."""
    names = {name for name, _ in leaves() if name in DISTURBING or name.startswith("drill ")}
    asked = list(asking_for_a_document(but=names, every_format=True))
    (shop.home.parent / "outcomes.csv").write_text("order_id,outcome\nord_1,declined\n")

    ran = run_all(asked, shop.home.parent, shop.variables())

    assert len(ran) > 40
    assert wrong_with_all(ran) == []
    codes = {" ".join(one.words[:2]): one.code for one in ran}
    assert codes["shadow report"] == 5


@pytest.mark.parametrize(
    "words",
    [
        "order show ord_nope",
        "order trace ord_nope",
        "order cancel ord_nope",
        "refund retry ord_nope",
        "dlq show 4711",
    ],
)
def test_an_id_that_is_none_is_a_wrong_use_and_no_verdict(shop: CommandLine, words: str) -> None:
    assert shop.run(*words.split()).returncode == 2


@pytest.mark.parametrize(
    ("sink", "code", "said"),
    [
        # Nobody wanted it; the work was done.
        (">&-", 0, "verdict holds, exit 0"),
        ("| head -c 0", 0, ""),
        # It was wanted, and is not there.
        (">/dev/full", 3, "No space left"),
    ],
)
def test_a_verdict_that_stdout_does_not_take(
    shop: CommandLine, sink: str, code: int, said: str
) -> None:
    done = in_a_shell(shop, f"check --only BP-C001 -o json {sink}")

    assert done.returncode == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("sink", [">&-", ">/dev/full"])
def test_an_order_is_placed_whatever_becomes_of_its_document(shop: CommandLine, sink: str) -> None:
    done = in_a_shell(shop, f"order place -o json {sink}")

    assert done.returncode == 0, done.stderr
    (order_id,) = re.findall(r"order (ord_\w+) placed", done.stderr)
    assert shop.ask("order", "show", order_id)["order"]["id"] == order_id


def in_a_shell(shop: CommandLine, line: str) -> subprocess.CompletedProcess[str]:
    program = f"{shlex.quote(sys.executable)} -m bookpayctl"
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", f"{program} {line}"],
        env=shop.variables(),
        cwd=shop.home.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


def place(shop: CommandLine, *arguments: str) -> dict[str, Any]:
    order: dict[str, Any] = shop.ask("order", "place", *arguments)["order"]
    return order


def wait_listed(shop: CommandLine, key: str, *command: str, **wanted: object) -> dict[str, Any]:
    """The first row of a listing whose fields are these, once it is there."""

    def rows() -> list[dict[str, Any]]:
        found = shop.ask(*command)[key]
        return [row for row in found if all(row[name] == value for name, value in wanted.items())]

    waited = wait_until(rows, bool, deadline_seconds=60, every_seconds=0.5)
    assert waited.value, f"{command} never showed {wanted}"
    return waited.value[0]


def waiting(shop: CommandLine, what: str) -> int:
    counts: dict[str, int] = {row["what"]: row["count"] for row in shop.ask("status")["waiting"]}
    return counts[what]


def test_with_nothing_to_do_the_lists_are_empty_and_a_redrive_is_vacuous(shop: CommandLine) -> None:
    assert shop.ask("dlq", "list")["dead_letters"] == []
    assert shop.ask("refund", "list")["refunds"] == []
    assert shop.ask("webhook", "quarantine", "list")["quarantined"] == []
    assert shop.ask("dlq", "redrive", "--all")["exit"] == {"code": 5, "reason": "nothing_selected"}
    assert shop.ask("shadow", "report")["exit"]["code"] == 5
    assert shop.run("dlq", "redrive").returncode == 2


def test_a_parked_order_is_listed_redriven_and_parked_again(shop: CommandLine) -> None:
    order = place(shop, "--payment-method", "pm_that_is_not_there")
    letter = wait_listed(shop, "dead_letters", "dlq", "list", order_id=order["id"])

    plan = shop.ask("dlq", "redrive", "--event", order["id"], "--dry-run")
    unchanged = shop.ask("dlq", "show", str(letter["id"]))
    done = shop.ask("dlq", "redrive", "--event", order["id"])
    wait_listed(shop, "dead_letters", "dlq", "list", order_id=order["id"], resolved=False)

    assert [row["id"] for row in plan["would_redrive"]] == [letter["id"]]
    assert unchanged["payment_state"] == "parked"
    assert unchanged["reason"] == "resource_missing"
    assert [row["result"] for row in done["requests"]] == ["done"]
    assert waiting(shop, "dead letters") == 1


def test_a_refused_redrive_says_why_and_is_not_green(shop: CommandLine) -> None:
    order = place(shop, "--payment-method", "pm_that_is_not_there_either")
    wait_listed(shop, "dead_letters", "dlq", "list", order_id=order["id"])
    shop.execute(
        "UPDATE payments SET maybe_executed = true, next_attempt_at = 'infinity'"
        f" WHERE order_id = '{order['id']}'"
    )

    refused = shop.ask("dlq", "redrive", "--event", order["id"])

    assert refused["exit"] == {"code": 6, "reason": "refused"}
    assert refused["requests"][0]["detail"] == "it may have been executed; reconcile it first"


def test_a_refund_that_failed_is_retried_under_its_own_key(shop: CommandLine) -> None:
    order = place(shop, "--payment-method", "pm_card_refundFail", "--wait", "paid")
    shop.ask("order", "cancel", order["id"])
    failed = wait_listed(shop, "refunds", "refund", "list", order_id=order["id"], state="failed")
    shown = waiting(shop, "refunds failed")

    done = shop.ask("refund", "retry", order["id"])
    again = wait_listed(shop, "refunds", "refund", "list", "--all", order_id=order["id"], n=2)

    assert (failed["n"], shown) == (1, 1)
    assert done["exit"]["code"] == 0
    assert again["event_id"] == failed["event_id"]


def test_an_operator_is_told_when_nobody_carries_requests_out(shop: CommandLine) -> None:
    """The wish stays on record and is carried out when the reconciler is back."""
    pid = {row["name"]: row["pid"] for row in shop.ask("status")["processes"]}[
        "payments-reconciler"
    ]
    order = place(shop, "--wait", "paid")
    frozen = signal_process(pid, signal.SIGSTOP)
    try:
        late = shop.ask("refund", "retry", order["id"])
    finally:
        signal_process(frozen, signal.SIGCONT)

    assert late["exit"] == {"code": 124, "reason": "not_handled_yet"}
    assert late["requests"][0]["result"] == "open"


def signal_process(pid: int, number: signal.Signals) -> int:
    os.kill(pid, number)
    return pid


def test_an_outcome_of_v1_is_imported_once_and_all_or_nothing(
    shop: CommandLine, tmp_path: Path
) -> None:
    order = place(shop, "--wait", "paid")
    good = tmp_path / "good.jsonl"
    good.write_text(
        json.dumps({"order_id": order["id"], "outcome": "declined", "code": "card_declined"})
    )
    bad = tmp_path / "bad.jsonl"
    bad.write_text(good.read_text() + "\n" + json.dumps({"order_id": "ord_none", "outcome": "x"}))

    refused = shop.run("shadow", "import", str(bad))
    first = shop.ask("shadow", "import", str(good))
    second = shop.ask("shadow", "import", str(good))

    assert refused.returncode == 2
    assert "line 2" in refused.stderr
    assert (first["new"], first["known"]) == (1, 0)
    assert (second["new"], second["known"]) == (0, 1)

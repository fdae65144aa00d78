"""Judging commands that are asked wrongly exit 2 with one line and touch nothing."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.support import judged_shop
from tests.support.many_commands import Ran, run_all
from tests.support.recorded_run import recorded

CASES = {
    "no environment": (["check"], "no environment"),
    "unknown check": (["check", "--only", "BP-C999"], "no check 'BP-C999'"),
    "unknown skip": (["check", "--skip", "X"], "no check 'X'"),
    "bad report": (
        ["check", "--report", "pdf=x"],
        "markdown=FILE, html=FILE",
    ),
    "report nowhere": (["check", "--report", "json=/nowhere/x.json"], "does not exist"),
    "bad timeout": (["check", "--timeout", "soon"], "--timeout 'soon'"),
    "unknown drill": (["drill", "run", "nonsense"], "no drill 'nonsense'"),
    "unknown point": (["drill", "crash-mid-charge", "--at", "x"], "--at 'x'"),
    "bad mix": (["load", "--mix", "fast=1"], "--mix"),
    "bad duration": (["load", "--duration", "0s"], "--duration '0s'"),
    "bad status": (["order", "place", "--wait", "happy"], "--wait 'happy'"),
    "unknown start": (["replay", "--from", "latest"], "--from 'latest' must be earliest"),
    "start without a zone": (
        ["replay", "--from", "2026-11-29T10:00:00"],
        "a time without a zone",
    ),
    "start before there was Kafka": (["replay", "--from", "0001-01-01T00:00:00Z"], "before 1970"),
    "unknown topic": (["replay", "--mode", "verify", "--topic", "orders"], "is not one of"),
    "no topic of the worker": (["replay", "--topic", "orders.paid"], "is not one of"),
    "bad rate": (["replay", "--mode", "verify", "--rate", "0"], "--rate '0' must be"),
    "an end for the worker": (
        ["replay", "--to", "2026-11-29T10:00:00Z"],
        "--to does not go with --mode live",
    ),
    "a part for the shadow": (
        ["replay", "--mode", "shadow", "--topic", "orders.placed"],
        "--topic does not go with --mode shadow",
    ),
    "an offset for the shadow": (
        ["replay", "--mode", "shadow", "--from", "0:1"],
        "--from PARTITION:OFFSET does not go with --mode shadow",
    ),
    "another range for a run": (
        ["replay", "--mode", "verify", "--resume", "nobody", "--from", "0:1"],
        "--from does not go with --resume",
    ),
    "outbox without a choice": (["replay", "--source", "outbox"], "needs --since, --until"),
    "outbox of no such type": (
        ["replay", "--source", "outbox", "--type", "OrderSung"],
        "--type 'OrderSung' is not one of",
    ),
    "outbox since no zone": (
        ["replay", "--source", "outbox", "--since", "2026-11-29"],
        "--since '2026-11-29' is a time without a zone",
    ),
    "outbox by an offset": (
        ["replay", "--source", "outbox", "--type", "OrderPaid", "--from", "0:1"],
        "--from does not go with --source outbox",
    ),
    "rows of the log": (
        ["replay", "--type", "OrderPaid"],
        "--type does not go with --source log",
    ),
    "unknown history": (["audit", "--history", "/nowhere.jsonl"], "--history"),
    "unknown run": (["verify", "./nowhere"], "no environment"),
    "no archive": (["verify", __file__], "cannot be unpacked"),
    "unknown id": (["explain", "BP-C999"], "nothing is called"),
}


def run(arguments: list[str], home: Path) -> Ran:
    (ran,) = run_all([arguments], home, {"BOOKPAY_HOME": str(home)})
    return ran


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_call_exits_2_and_says_what_was_wrong(name: str, tmp_path: Path) -> None:
    arguments, words = CASES[name]

    done = run(arguments, tmp_path)

    assert done.code == 2, done.err
    assert words in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('id = "BP-O999"\nreason = "r"\nuntil = "2026-12-31"', "suppresses 'BP-O999'; there are"),
        ('id = "BP-O005"\nuntil = "2026-12-31"', "has no reason"),
        ('id = "BP-O005"\nreason = "r"', "no `until`"),
    ],
)
@pytest.mark.parametrize("words_of", [("check",), ("config", "show")])
def test_a_suppression_that_cannot_be_meant_exits_2(
    words_of: tuple[str, ...], entry: str, words: str, tmp_path: Path
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(f"[[check.suppress]]\n{entry}\n")
    variables = {"BOOKPAY_HOME": str(tmp_path / "home"), "BOOKPAY_CONFIG": str(config)}

    (done,) = run_all([words_of], tmp_path, variables)

    assert done.code == 2, done.err
    assert words in done.err


def test_explain_tells_what_a_check_asks_and_why(tmp_path: Path) -> None:
    done = run(["explain", "bp-c004"], tmp_path)

    assert done.code == 0
    assert "requires" in done.out
    assert "why" in done.out


def test_explain_knows_every_question_with_an_id(tmp_path: Path) -> None:
    from bookpayctl.checks import CHECKS
    from bookpayctl.forgery import CASES
    from bookpayctl.judge.rules import rules
    from bookpayctl.replay.comparing import COMPARISONS, questions

    of_replays = [rule for one in COMPARISONS.values() for rule in questions(one.prefix)]
    known = [rule.id for rule in (*rules(), *of_replays)]
    known += [*(check.id for check in CHECKS), *(case.id for case in CASES)]

    told = run(["explain", "nothing"], tmp_path).err

    assert [name for name in known if name not in told] == []


@pytest.mark.parametrize(
    ("question", "control"),
    [("r03", "record-of-another-payload"), ("W20", "webhooks-by-any-request")],
)
def test_explain_names_the_controls_of_a_question(
    question: str, control: str, tmp_path: Path
) -> None:
    done = run(["explain", question], tmp_path)

    assert done.code == 0
    assert control in done.out


def test_the_list_of_drills_names_each_with_its_blast_radius(tmp_path: Path) -> None:
    done = run(["drill", "list", "-o", "json"], tmp_path)

    assert done.code == 0
    assert '"slug": "crash-mid-charge"' in done.out
    assert '"blast_radius"' in done.out


def test_a_tool_that_broke_is_unknown_and_not_a_violation(tmp_path: Path) -> None:
    # An environment whose secrets are gone: the file is whole, what it points at is not.
    root = tmp_path / "default"
    root.mkdir()
    (root / "environment.json").write_text(
        json.dumps(
            {
                "name": "default",
                "root": str(root),
                "target": "local",
                "dsn": "postgresql://nobody@127.0.0.1:1/none",
                "kafka_bootstrap_servers": "127.0.0.1:1",
                "stripe_api_base": "http://127.0.0.1:1",
                "stripe_control_url": None,
                "orders_url": "http://127.0.0.1:1",
                "gateway_url": "http://127.0.0.1:1",
                "webhook_url": "http://127.0.0.1:1/stripe/webhook",
                "mail_dir": str(root),
                "tenant_id": "acme-books",
                "processes": [],
                "psql_dir": None,
                "settings": {},
            }
        )
    )

    done = run(["check"], tmp_path)

    assert done.code == 3
    assert "secret 'stripe-api-key'" in done.err
    assert "Traceback" not in done.err


def test_a_recorded_run_is_verified_from_a_tar_file_without_any_stack(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    recorded_at = recorded(tmp_path / "made", judged_shop.healthy())
    archive = tmp_path / "run.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(recorded_at.path, arcname=recorded_at.run_id)
    home = tmp_path / "home"
    home.mkdir()

    done = run(["verify", str(archive), "-o", "json"], home)

    document = json.loads(done.out)
    assert done.code == 0, done.err
    assert document["kind"] == "VerificationReport"
    assert document["context"]["judged_orders"] == "3"
    assert list(home.iterdir()) == []

"""A stack that is not ours, judged by a mapping: what is wrong is found, and nothing is touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.command_line import CommandLine, verdicts
from tests.support.foreign_shop import ForeignShop

PAST = ("--age", "1ms")


def audited(cli: CommandLine, mapping: Path) -> dict[str, Any]:
    return cli.ask("audit", "--mapping", str(mapping), *PAST)


def evidence(document: dict[str, Any], invariant: str) -> str:
    return json.dumps(next(one for one in document["items"] if one["id"] == invariant))


def test_a_healthy_shop_of_others_holds_and_what_it_lacks_is_said_first(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    shop.sell(500, phase="handed_over")

    document = audited(cli, shop.mapping(tmp_path / "laden.toml"))

    found = verdicts(document)
    assert document["exit"]["code"] == 0, document["notes"]
    assert {found[one] for one in ("I10", "I11", "I12", "I13", "I26", "I30", "I32", "I35")} == {
        "holds"
    }
    assert found["I04"] == found["I09"] == found["I16"] == "skipped"
    assert "invariants are not asked" in " ".join(document["notes"])
    assert "this stack has no outbox: we never had one" in " ".join(document["notes"])
    assert document["context"]["judged_orders"] == "2"


def test_three_planted_faults_of_a_foreign_shop_are_found(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    twice = shop.sell(2500, charged=2)
    unpaid = shop.sell(4200, charged=0)
    forgotten = shop.sell(700, phase="in_cart")

    document = audited(cli, shop.mapping(tmp_path / "laden.toml"))

    assert document["exit"]["code"] == 1
    assert f'"{twice}: 2 succeeded charges' in evidence(document, "I10")
    assert f'"{unpaid}: paid, but Stripe has no such charge"' in evidence(document, "I11")
    assert f'"{forgotten}: Stripe holds 7.00 eur, the order is pending"' in evidence(
        document, "I12"
    )
    assert "order trace" not in json.dumps(document)


def test_what_was_read_of_a_foreign_shop_is_judged_again_offline(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(2500, charged=2)
    document = audited(cli, shop.mapping(tmp_path / "laden.toml"))

    again = cli.ask("verify", document["run_dir"])

    assert again["exit"]["code"] == 1
    assert verdicts(again)["V04"] == "holds"


def test_an_empty_shop_is_vacuous_and_no_pass(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    assert audited(cli, shop.mapping(tmp_path / "laden.toml"))["exit"]["code"] == 5


def test_a_word_that_nobody_translated_is_named_and_makes_unknown(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    shop.sell(500, phase="handed_over")
    mapping = shop.mapping(tmp_path / "laden.toml", **{', handed_over = "paid"': ""})

    document = audited(cli, mapping)

    assert document["exit"]["code"] == 3
    assert "'handed_over' (1 rows)" in " ".join(document["notes"])
    assert verdicts(document)["I11"] == "unknown"


def test_a_ledger_that_the_mapping_does_not_speak_of_is_unknown(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    mapping = shop.mapping(tmp_path / "laden.toml", **{'kafka = "we never had one"': ""})

    document = audited(cli, mapping)

    assert document["exit"]["code"] == 3
    assert verdicts(document)["I09"] == "unknown"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"FROM laden.purchase --": "FROM laden.bestellung --"}, "laden.bestellung"),
        ({"gross AS amount, ccy": "grss AS amount, ccy"}, "grss"),
        ({"id AS order_id, gross": "id AS order_id, buyer_email, gross"}, "buyer_email is no"),
        ({"phase AS status, ": ""}, "status is missing"),
        ({'time_zone = "Europe/Berlin"': ""}, "created_at has no time zone"),
        ({"gross AS amount, ccy": "gross::float AS amount, ccy"}, "amount is float8"),
        ({'order_metadata = "purchase"': "", "AS payment_intent_id": "AS x"}, "x is no column"),
        ({"SELECT id AS order_id": "SELEKT id AS order_id"}, "syntax error"),
        ({"-- the buyer": "; DELETE FROM laden.transaction; --"}, "syntax error"),
        ({"FROM laden.purchase --": ") AS a; COMMIT; DELETE FROM laden.transaction; --"}, "says"),
        (
            {"FROM laden.purchase --": "FROM laden.purchase, laden.tidy() AS t --"},
            "cannot execute DELETE in a read-only transaction",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_is_named_and_touches_nothing(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path, change: dict[str, str], named: str
) -> None:
    shop.sell(1999)
    shop.conn.execute(
        "CREATE FUNCTION laden.tidy() RETURNS int LANGUAGE sql AS"
        " 'DELETE FROM laden.transaction; SELECT 1'"
    )
    mapping = shop.mapping(tmp_path / "laden.toml", **change)

    done = cli.run("audit", "--mapping", str(mapping), *PAST)

    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert shop.conn.execute("SELECT count(*) FROM laden.transaction").fetchone() == (1,)


def test_a_database_that_is_away_is_unknown_and_told_without_its_secret(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    secret = tmp_path / "dsn"
    secret.write_text("host=127.0.0.1 port=1 dbname=laden user=shop password=hunter2hunter2")
    mapping = shop.mapping(
        tmp_path / "laden.toml", **{f'dsn = "{shop.dsn}"': f'dsn_file = "{secret}"'}
    )

    done = cli.run("audit", "--mapping", str(mapping), *PAST)

    assert done.returncode == 3
    assert "database laden on 127.0.0.1" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_live_key_is_refused_before_anything_is_read(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    live = CommandLine(cli.home, {"LADEN_STRIPE_KEY": "sk_" + "live_51Nobody"})

    done = live.run("audit", "--mapping", str(shop.mapping(tmp_path / "laden.toml")), *PAST)

    assert done.returncode == 6
    assert "51Nobody" not in done.stderr
    assert not (live.home / "mapped_stacks").exists()


def test_only_what_is_young_enough_is_judged_and_the_report_says_so(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    old = shop.sell(4200, charged=0)
    shop.conn.execute(
        "UPDATE laden.purchase SET placed = placed - interval '3 days' WHERE id = %s", (old,)
    )
    shop.sell(1999)
    mapping = shop.mapping(tmp_path / "laden.toml")

    young = cli.ask("audit", "--mapping", str(mapping), "--since", "48h")
    before = cli.ask("audit", "--mapping", str(mapping), "--until", "48h")

    assert (young["exit"]["code"], young["context"]["judged_orders"]) == (0, "1")
    assert young["notes"][0].startswith("judged are orders from ")
    assert (before["exit"]["code"], before["context"]["judged_orders"]) == (1, "1")


def test_a_sample_judges_a_share_of_the_orders_and_says_which(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    for _ in range(12):
        shop.sell(1999)
    mapping = shop.mapping(tmp_path / "laden.toml")

    document = cli.ask("audit", "--mapping", str(mapping), *PAST, "--sample", "50%")

    # 6, 9 and 11, as the md5 of the numbers 1 to 12 has it.
    assert document["context"]["judged_orders"] == "3"
    assert document["notes"][0].startswith("a sample: 50 % of the orders")


def test_a_redacted_audit_finds_the_same_and_keeps_no_name(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    for _ in range(3):
        shop.sell(1999)
    twice = shop.sell(2500, charged=2)
    change = {"SELECT id AS order_id": "SELECT id AS order_id, buyer_email AS tenant_id"}
    mapping = shop.mapping(tmp_path / "laden.toml", **change)

    document = cli.ask("audit", "--mapping", str(mapping), *PAST, "--redact")

    run = Path(document["run_dir"])
    salt = (run.parents[1] / "redaction-salt").read_text()
    digest = hashlib.sha256(f"{salt}{twice}".encode()).hexdigest()[:16]
    assert evidence(document, "I10").count(f"{digest}: 2 succeeded charges") == 1
    assert verdicts(document)["I13"] == verdicts(document)["I30"] == "holds"
    assert "digests" in " ".join(document["notes"])
    kept = f"SELECT DISTINCT tenant_id FROM '{run}/ledgers/orders.parquet'"
    assert [len(one) for (one,) in duckdb.connect().execute(kept).fetchall()] == [16]

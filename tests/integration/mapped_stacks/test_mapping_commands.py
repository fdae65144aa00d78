"""`mapping init` and `mapping test` on a real database that is not ours."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.judge.mapping.loading import mapping_of
from tests.support.command_line import CommandLine
from tests.support.foreign_shop import ForeignShop


def test_a_mapping_is_begun_from_the_catalogue_and_can_be_tested(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    file = tmp_path / "my-shop.toml"

    begun = cli.ask("mapping", "init", str(file), "--dsn", shop.dsn)
    tested = cli.run("mapping", "test", str(file))

    mapping = mapping_of(file.read_text())
    assert begun["exit"]["code"] == 0
    assert (mapping.name, list(mapping.tables)) == ("my-shop", ["orders", "payments"])
    # Their time has no zone, which is for a person to say.
    assert tested.returncode == 2
    assert "created_at has no time zone" in tested.stderr
    assert "payments.payment_intent_id" in tested.stdout


def test_an_existing_file_is_never_overwritten(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")

    assert cli.run("mapping", "init", str(file)).returncode == 2
    assert file.read_text() == "mine"


def test_every_column_is_explained_and_no_customer_is_shown(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    mapping = shop.mapping(
        tmp_path / "laden.toml",
        **{"phase AS status, ": "phase AS status, buyer_email AS tenant_id, "},
    )

    document = cli.ask("mapping", "test", str(mapping))

    columns = {f"{one['table']}.{one['column']}": one for one in document["columns"]}
    assert document["exit"]["code"] == 0
    assert columns["orders.tenant_id"]["examples"] == ["xxx@xxxxxxx.xxx"]
    assert columns["orders.status"]["examples"] == ["settled -> paid"]
    assert columns["orders.amount"] == {
        "table": "orders",
        "column": "amount",
        "required": True,
        "type": "numeric",
        "examples": ["99.99"],
        "not_asked": [],
    }
    assert columns["orders.client_key"]["type"] is None
    missing = {one["table"]: one for one in document["missing"]}
    assert "I04" in missing["outbox"]["not_asked"]
    assert missing["outbox"]["declared"]


def test_every_table_that_does_not_fit_is_told_at_once(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    mapping = shop.mapping(
        tmp_path / "laden.toml",
        **{"gross AS amount, ccy": "gros AS amount, ccy", "t.result": "t.x"},
    )

    document = cli.ask("mapping", "test", str(mapping))

    assert document["exit"] == {"code": 2, "reason": "wrong_mapping"}
    assert len(document["problems"]) == 2


def test_a_database_that_is_away_is_unknown_also_for_a_test(
    cli: CommandLine, tmp_path: Path
) -> None:
    done = cli.run("mapping", "init", str(tmp_path / "a.toml"), "--dsn", "host=127.0.0.1 port=1")

    assert done.returncode == 3
    assert not (tmp_path / "a.toml").exists()


def test_a_column_with_a_hostile_name_is_told_and_does_nothing(
    cli: CommandLine, shop: ForeignShop, tmp_path: Path
) -> None:
    shop.sell(1999)
    hostile = 'AS amount, 1 AS "a""::text FROM laden.purchase; COMMIT; BEGIN READ WRITE;'
    hostile += ' DELETE FROM laden.transaction; COMMIT; --"'
    mapping = shop.mapping(tmp_path / "laden.toml", **{"AS amount, ccy": f"{hostile}, ccy"})

    document = cli.ask("mapping", "test", str(mapping))

    assert document["exit"]["code"] == 2
    assert "is no column of orders" in document["problems"][0]
    assert shop.conn.execute("SELECT count(*) FROM laden.transaction").fetchone() == (1,)

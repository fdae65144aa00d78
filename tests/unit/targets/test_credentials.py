"""Secrets: made once, private, never a live key, and nowhere but in their files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bookpayctl.targets import credentials
from bookpayctl.targets.local.supervise import programs
from bookpayctl.targets.local.supervise.configuration import write_config
from bookpayctl.targets.servers import postgres

NAMES = {"stripe-api-key", "stripe-webhook-secret", "gateway-token", "orders-token", "pgpass"}


def addresses(root: Path) -> programs.Addresses:
    return programs.Addresses(
        name="test",
        root=root,
        dsn=f"postgresql://bookpay@127.0.0.1:1/bookpay?passfile={root}/50%25/pgpass",
        kafka_bootstrap_servers="127.0.0.1:2",
        stripe_api_base="http://127.0.0.1:3",
        ports={name: 20_000 + number for number, name in enumerate(programs.PORT_NAMES)},
        own_twin=True,
        twin_latency_ms=50,
        webhook_window_seconds=60,
        shadow_mode=False,
        failpoints=True,
        log_level="INFO",
    )


def test_every_secret_is_a_private_file(tmp_path: Path) -> None:
    credentials.ensure(tmp_path / "secrets", {})

    files = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert set(files) == NAMES
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert files["stripe-api-key"].read_text().startswith("sk_test_bookpay")
    assert files["stripe-webhook-secret"].read_text().startswith("whsec_")


def test_secrets_stay_the_same_from_one_up_to_the_next(tmp_path: Path) -> None:
    first_time = credentials.ensure(tmp_path, {})
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    second_time = credentials.ensure(tmp_path, {})

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    assert (first_time, second_time) == (True, False)


def test_a_lost_secret_is_made_again_and_a_lost_password_is_reported(tmp_path: Path) -> None:
    credentials.ensure(tmp_path, {})
    (tmp_path / "pgpass").unlink()
    (tmp_path / "gateway-token").write_text("")

    assert credentials.ensure(tmp_path, {}) is True
    assert (tmp_path / "gateway-token").read_text().strip()
    assert credentials.database_password(tmp_path)


def test_a_given_key_replaces_ours(tmp_path: Path) -> None:
    credentials.ensure(tmp_path, {})

    credentials.ensure(tmp_path, {"stripe-api-key": "sk_test_mine"})

    assert (tmp_path / "stripe-api-key").read_text() == "sk_test_mine\n"


@pytest.mark.parametrize("prefix", ["sk_live", "rk_live"])
def test_a_stored_live_key_is_refused_too(tmp_path: Path, prefix: str) -> None:
    credentials.ensure(tmp_path, {})
    (tmp_path / "stripe-api-key").write_text(f"{prefix}_1\n")

    with pytest.raises(credentials.LiveKeyError, match="live Stripe key"):
        credentials.ensure(tmp_path, {})


def test_no_process_gets_a_secret_in_its_arguments_or_environment(tmp_path: Path) -> None:
    credentials.ensure(tmp_path / "secrets", {})
    values = {
        path.read_text().strip().rpartition(":")[2] for path in (tmp_path / "secrets").iterdir()
    }

    for program in programs.applications(addresses(tmp_path)):
        shown = " ".join((*program.command, *program.variables.values()))
        assert not [value for value in values if value in shown], program.name


def test_the_configuration_is_private_and_keeps_percent_signs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()

    write_config(tmp_path, tmp_path / "s.sock", programs.applications(addresses(tmp_path)))

    config = tmp_path / "supervisord.conf"
    assert config.stat().st_mode & 0o777 == 0o600
    assert "/50%%25/pgpass" in config.read_text()


def test_the_password_verifier_has_the_servers_form_and_not_the_password() -> None:
    verifier = postgres.scram_verifier("correct horse")

    assert verifier.startswith("SCRAM-SHA-256$4096:")
    assert "correct" not in verifier
    assert postgres.scram_verifier("correct horse") != verifier


def test_a_secret_that_is_given_again_keeps_the_time_at_which_it_came(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    credentials.ensure(directory, {"stripe-webhook-secret": "whsec_1"})
    path = directory / "stripe-webhook-secret"
    long_ago = path.stat().st_mtime - 1_000
    os.utime(path, (long_ago, long_ago))

    credentials.ensure(directory, {"stripe-webhook-secret": "whsec_1"})
    same = path.stat().st_mtime
    credentials.ensure(directory, {"stripe-webhook-secret": "whsec_2"})

    assert same == long_ago
    assert path.stat().st_mtime > long_ago
    assert path.read_text() == "whsec_2\n"

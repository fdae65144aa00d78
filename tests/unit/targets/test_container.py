"""What a pod's commands decide before they touch anything."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bookpayctl.targets.container.foreground import FORWARDED, STOP_SECONDS, exit_status
from bookpayctl.targets.container.prepare import database_place, wanted
from bookpayctl.targets.container.secret import SecretError, read_secret
from bookpayctl.targets.servers import kafka, postgres

PASSWORD = "a pass'word"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - written into a file, not bound


@pytest.mark.parametrize(("code", "status"), [(0, 0), (7, 7), (-9, 137), (-15, 143)])
def test_a_status_is_what_a_shell_would_say(code: int, status: int) -> None:
    assert exit_status(code) == status


def test_what_a_platform_sends_to_end_a_pod_is_a_fast_shutdown_within_its_grace() -> None:
    assert FORWARDED[signal.Signals.SIGTERM] is signal.Signals.SIGINT
    assert STOP_SECONDS < 30


def test_a_secret_is_the_files_text_without_white_space_around_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(" with space in it \n\n")

    assert read_secret(path) == "with space in it"


@pytest.mark.parametrize(("content", "said"), [(b" \n", "is empty"), (b"s\xffcret", "not UTF-8")])
def test_a_file_without_a_secret_is_named_and_not_quoted(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(SecretError, match=said) as caught:
        read_secret(path)

    assert str(path) in str(caught.value)
    assert "cret" not in str(caught.value).replace(str(path), "")


def test_a_connection_string_that_is_none_is_not_quoted_even_as_a_cause(tmp_path: Path) -> None:
    dsn, token = tmp_path / "dsn", tmp_path / "token"
    dsn.write_text("postgresql://u:se%zzcret@h/db")
    token.write_text("t")

    with pytest.raises(SecretError, match="does not hold a connection string") as caught:
        wanted(dsn, None, token)

    assert caught.value.__cause__ is None
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://u:secret@db:5433/shop", "PostgreSQL at db:5433, database shop"),
        ("host=db user=u password=secret dbname=shop", "PostgreSQL at db:5432, database shop"),
    ],
)
def test_where_a_database_is_is_said_without_who_logs_in(dsn: str, place: str) -> None:
    assert database_place(dsn) == place


def test_a_verifier_tells_its_password_from_any_other() -> None:
    verifier = postgres.scram_verifier(PASSWORD)

    assert postgres.verifies(verifier, PASSWORD)
    assert not postgres.verifies(verifier, f"{PASSWORD}.")


@pytest.mark.parametrize("text", ["", "SCRAM-SHA-256", "md5abc", "SCRAM-SHA-256$4096:%%%$a:b"])
def test_a_verifier_that_was_cut_short_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        postgres.verifies(text, PASSWORD)


def test_a_pods_database_listens_everywhere_and_lets_one_role_in_by_password(
    tmp_path: Path,
) -> None:
    pod = postgres.Postgres(tmp_path, tmp_path, 5432, None, listen_host=EVERYWHERE, clients="all")

    postgres.write_settings(pod)

    assert "listen_addresses = '0.0.0.0'\nport = 5432\n" in (tmp_path / "bookpay.conf").read_text()
    rules = [
        line.split()
        for line in (tmp_path / "pg_hba.conf").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert rules == [
        ["host", "all", "bookpay", "all", "scram-sha-256"],
        ["host", "replication", "bookpay", "all", "scram-sha-256"],
    ]


def test_a_local_database_listens_to_this_machine_alone(tmp_path: Path) -> None:
    postgres.write_settings(postgres.Postgres(tmp_path, tmp_path, 5432, None))

    assert "listen_addresses = '127.0.0.1'\n" in (tmp_path / "bookpay.conf").read_text()
    access = (tmp_path / "pg_hba.conf").read_text()
    assert access.count("127.0.0.1/32  scram-sha-256") == 2


@pytest.mark.parametrize(
    ("listen_host", "advertised", "listeners"),
    [
        ("127.0.0.1", None, ("127.0.0.1:9092", "127.0.0.1:9092")),
        (EVERYWHERE, "kafka-0.kafka:9092", ("0.0.0.0:9092", "kafka-0.kafka:9092")),
    ],
)
def test_a_broker_says_where_it_listens_and_where_clients_are_sent(
    tmp_path: Path, listen_host: str, advertised: str | None, listeners: tuple[str, str]
) -> None:
    # So that the storage is not formatted, which would need a JVM.
    (tmp_path / "formatted").touch()
    broker = kafka.Kafka(
        tmp_path, tmp_path, 9092, 9093, listen_host=listen_host, advertised=advertised
    )

    kafka.prepare(broker)

    settings = (tmp_path / "server.properties").read_text().splitlines()
    assert f"listeners=PLAINTEXT://{listeners[0]},CONTROLLER://127.0.0.1:9093" in settings
    assert f"advertised.listeners=PLAINTEXT://{listeners[1]}" in settings
    assert broker.bootstrap_servers == "127.0.0.1:9092"

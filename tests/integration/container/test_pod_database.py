"""PostgreSQL in a pod: whatever its volume is like, it comes up, with the password of the day."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import psycopg
import pytest

from bookpayctl.targets.servers.owner import database_owner
from tests.support.pods import (
    OTHER_ADDRESS,
    PodDatabase,
    PodProcess,
    answers_on,
    as_user,
    command_line,
    open_folder,
)
from tests.support.processes import Child, stop_all
from tests.support.waiting import eventually, holds_for, slowness

# Far above what a server takes to start.
HOLDS_SECONDS = 5.0


@pytest.fixture
def database() -> Iterator[PodDatabase]:
    with open_folder() as folder:
        made = PodDatabase(folder)
        yield made
        stop_all([made])


def postmaster(database: PodDatabase) -> psutil.Process:
    first = (database.data_dir / "postmaster.pid").read_text().splitlines()[0]
    return psutil.Process(int(first))


def ask(database: PodDatabase, *arguments: str) -> PodProcess:
    asked = PodProcess(f"asked-{arguments[0]}", database.data.parent, arguments)
    asked.start()
    return asked


def ready(database: PodDatabase) -> PodProcess:
    password = ("--password-file", str(database.password_file))
    return ask(database, "ready", "postgres", "--port", str(database.port), *password)


def test_a_fresh_volume_gets_a_database_that_its_role_reaches_from_anywhere(
    database: PodDatabase,
) -> None:
    assert ready(database).wait_end() == 1

    database.start_and_wait()

    with database.connect(host=OTHER_ADDRESS) as conn:
        assert conn.execute("SELECT current_user, current_database()").fetchone() == (
            "bookpay",
            "bookpay",
        )
        with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
            psycopg.connect(database.dsn().replace("user=bookpay", "user=postgres"))
    assert ready(database).wait_end() == 0
    assert not any(
        database.password_file.read_text().strip() in " ".join(process.cmdline())
        for process in (psutil.Process(database.pid), postmaster(database))
    )


def test_term_ends_it_in_order_within_thirty_seconds_though_clients_stay(
    database: PodDatabase,
) -> None:
    database.start_and_wait()
    with database.connect() as conn:
        conn.execute("SELECT 1")
        began = time.monotonic()

        database.signal(signal.SIGTERM)

        assert database.wait_end() == 0
        assert time.monotonic() - began < 30 * slowness()
    assert "received fast shutdown request" in database.log
    assert "database system is shut down" in database.log
    assert not (database.data_dir / "postmaster.pid").exists()


def test_stop_postgres_is_a_fast_shutdown_that_waits_and_is_harmless_when_repeated(
    database: PodDatabase,
) -> None:
    database.start_and_wait()
    stop = ("stop-postgres", "--data", str(database.data))

    with database.connect():
        first = ask(database, *stop)
        assert first.wait_end() == 0
    assert database.wait_end() == 0
    assert ask(database, *stop).wait_end() == 0
    assert "no server runs" in first.log


def test_data_stay_and_a_password_that_changed_is_set_at_the_next_start(
    database: PodDatabase,
) -> None:
    database.start_and_wait()
    with database.connect() as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    database.stop()
    database.password_file.write_text('it\'s "another" $ecret\\\n')

    database.start_and_wait()

    with database.connect() as conn:
        assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.connect("first secret")
    assert database.log.count("the password is another one") == 1

    database.stop()
    database.start_and_wait()

    assert database.log.count("the password is another one") == 1


@pytest.mark.parametrize("when", ["initdb has begun", "the password is being set"])
def test_a_start_that_was_killed_half_way_is_made_good_by_the_next(
    database: PodDatabase, when: str
) -> None:
    if when == "the password is being set":
        database.start_and_wait()
        database.stop()
        database.password_file.write_text("second secret\n")
        begun = database.data / "18" / "data" / "postmaster.pid"
    else:
        begun = database.data / "18" / "data.unfinished"
    database.start()
    eventually(begun.exists, when)

    database.kill_all()
    database.start_and_wait()

    assert not (database.data / "18" / "data.unfinished").exists()
    assert ready(database).wait_end() == 0


def test_a_parent_that_is_killed_takes_the_server_along_and_the_data_are_whole(
    database: PodDatabase,
) -> None:
    database.start_and_wait()
    with database.connect() as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server = postmaster(database)

        database.kill()

        eventually(lambda: not server.is_running(), "the server is gone, too")
    assert not answers_on("127.0.0.1", database.port)

    database.start_and_wait()

    with database.connect() as conn:
        assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_server_that_is_killed_ends_its_parent_with_that_signals_status(
    database: PodDatabase,
) -> None:
    database.start_and_wait()

    postmaster(database).kill()

    assert database.wait_end() == 128 + signal.SIGKILL


def test_a_number_that_a_killed_server_left_does_not_keep_the_next_from_starting(
    database: PodDatabase,
) -> None:
    database.start_and_wait()
    database.kill_all()
    left = (database.data_dir / "postmaster.pid").read_text().splitlines()
    # In another pod the number is another process's, of the same user.
    stranger = Child("stranger", database.data.parent / "stranger.log")
    stranger.launch(["tail", "-f", "/dev/null"], owner=database_owner(os.environ))
    try:
        left[0] = str(stranger.pid)
        (database.data_dir / "postmaster.pid").write_text("\n".join(left) + "\n")

        database.start_and_wait()
    finally:
        stranger.kill()


def test_a_second_pod_on_the_volume_waits_until_the_first_has_gone(database: PodDatabase) -> None:
    database.start_and_wait()
    server = postmaster(database)
    second = ask(database, *database.arguments)
    try:
        second.wait_until(lambda: "waiting for the server that still works" in second.log, "waits")
        # Its parent alone: what holds the volume is the server, not who started it.
        server.suspend()
        database.kill()
        holds_for(
            lambda: not second.has_ended() and "starting PostgreSQL" not in second.log,
            "the second waits while the server of the first is there",
            seconds=HOLDS_SECONDS,
        )
        server.resume()

        second.wait_until(database.answers, "answers")

        eventually(lambda: not server.is_running(), "nothing of the first is left")
    finally:
        stop_all([second])


@pytest.mark.skipif(os.geteuid() != 0, reason="who is no root runs every test above like this")
def test_it_runs_as_the_unprivileged_user_of_a_pod() -> None:
    owner = database_owner(os.environ)
    assert owner is not None
    with open_folder(owner) as folder:
        database = PodDatabase(folder)
        database.password_file.chmod(0o644)
        try:
            database.launch([*as_user(owner), *command_line(*database.arguments)])
            database.wait_until(database.answers, "answers")

            processes = (psutil.Process(database.pid), postmaster(database))
            assert {process.uids().real for process in processes} == {owner.uid}
        finally:
            stop_all([database])
        assert database.started.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of processes needs root")
def test_as_process_one_it_heeds_term_and_reaps_orphans(database: PodDatabase) -> None:
    isolated = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    database.launch([*isolated, *command_line(*database.arguments)])
    database.wait_until(database.answers, "answers")
    first = next(iter(psutil.Process(database.pid).children()))

    first.send_signal(signal.SIGTERM)

    assert database.wait_end() == 0
    assert "received fast shutdown request" in database.log


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), (None, "cannot be read")])
def test_without_a_password_nothing_is_made(
    database: PodDatabase, content: str | None, said: str
) -> None:
    if content is None:
        database.password_file.unlink()
    else:
        database.password_file.write_text(content)

    database.start()

    assert database.wait_end() == 2
    assert said in database.log
    assert not database.data.exists()

"""`up`, `down` and their neighbours, on a real environment, through the command line.

The tests of the first class share one environment and run in their order: each leaves it up. What
would end a shared environment has one of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bookpayctl.targets.local import up
from bookpayctl.targets.local.machine.state import ID_VARIABLE
from bookpayctl.targets.local.plan import UpOptions
from bookpayctl.targets.local.supervise import programs
from bookpayctl.targets.local.supervise.waiting import PartFailedError
from tests.support.command_line import CommandLine
from tests.support.processes import cut_the_power
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

PROCESS_COUNT = 15
EXPORTED = {
    *("DB_DSN", "KAFKA_BOOTSTRAP_SERVERS", "STRIPE_API_BASE", "STRIPE_API_KEY", "PATH"),
    *("STRIPE_WEBHOOK_SECRET", "ORDERS_URL", "ORDERS_TOKEN", "GATEWAY_URL", "GATEWAY_TOKEN"),
    "WEBHOOK_URL",
}


@dataclass(frozen=True)
class Cli(CommandLine):
    """The command line, with what these tests ask of it."""

    name: str = "default"

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(*arguments)

    def up(self, *arguments: str) -> None:
        done = self("up", *arguments)
        assert done.returncode == 0, done.stderr

    def status(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self("status", "-o", "json", *arguments).stdout)
        return document

    def processes(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self.status()["processes"]}

    def shell(self, script: str) -> str:
        """Run shell lines after `eval "$(bookpayctl env)"`."""
        exports = self("env").stdout
        done = subprocess.run(
            ["bash", "-euc", exports + script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def folder(self, name: str = "default") -> Path:
        return self.home / name

    def alive(self, name: str = "default") -> list[psutil.Process]:
        """Every process that carries the environment's id, asked for independently."""
        environment_id = json.loads((self.folder(name) / "local.json").read_text())["id"]
        return [process for process in psutil.process_iter() if carries(process, environment_id)]


def carries(process: psutil.Process, environment_id: str) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.environ().get(ID_VARIABLE) == environment_id
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def unhealthy(status: dict[str, Any]) -> str:
    """What a status document says is not well, short enough for a report."""
    processes = [p for p in status["processes"] if p["ready"] is not True or "unknown" in str(p)]
    return json.dumps({**status, "processes": processes})


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    command = Cli(tmp_path_factory.mktemp("shared") / "home")
    command.up()
    yield command
    command("down", "--purge")


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Cli]:
    command = Cli(tmp_path / "home")
    yield command
    command("down", "--purge")


class TestASharedEnvironment:
    def test_every_process_is_ready_and_one_publisher_leads(self, cli: Cli) -> None:
        # A broker that has just started may not speak of its groups yet; status then says unknown.
        eventually(lambda: cli.status()["exit"]["code"] == 0, "all is healthy")
        status = cli.status()

        assert status["exit"] == {"code": 0, "reason": "all_healthy"}, unhealthy(status)
        assert len(status["processes"]) == PROCESS_COUNT
        assert {entry["restarts"] for entry in status["processes"]} == {0}
        assert status["publisher_lock"]["publisher_id"].startswith("outbox-publisher-")

    def test_env_exports_what_psql_and_curl_need_verbatim(self, cli: Cli) -> None:
        exported = {
            line.removeprefix("export ").partition("=")[0]
            for line in cli("env").stdout.splitlines()
        }

        assert exported == EXPORTED
        assert cli.shell('psql "$DB_DSN" -Atc "SELECT count(*) > 0 FROM inventory"') == "t"
        assert cli.shell('echo "$WEBHOOK_URL"').endswith("/stripe/webhook")

    def test_no_secret_is_in_an_argument_a_log_or_a_configuration(self, cli: Cli) -> None:
        secrets = {
            path.read_text().strip().rpartition(":")[2]
            for path in (cli.folder() / "secrets").iterdir()
        }
        shown = [" ".join(process.cmdline()) for process in cli.alive()]
        shown += [path.read_text(errors="replace") for path in (cli.folder() / "logs").iterdir()]
        shown += [path.read_text() for path in cli.folder().glob("*.*") if path.is_file()]

        assert len(secrets) == 5
        assert not [text for text in shown for secret in secrets if secret in text]

    def test_up_again_changes_nothing(self, cli: Cli) -> None:
        before = {name: entry["pid"] for name, entry in cli.processes().items()}

        cli.up()

        assert {name: entry["pid"] for name, entry in cli.processes().items()} == before

    def test_a_process_that_dies_is_restarted_and_counted(self, cli: Cli) -> None:
        before = cli.processes()["payments-reconciler"]

        os.kill(before["pid"], signal.SIGKILL)

        def is_back() -> bool:
            now = cli.processes()["payments-reconciler"]
            return now["ready"] is True and now["pid"] != before["pid"] and now["restarts"] == 1

        eventually(is_back, "it is back")

    def test_an_order_can_be_followed_through_the_logs(self, cli: Cli) -> None:
        order_id = place_order(cli)
        eventually(lambda: order_status(cli, order_id) == "paid", "the order is paid")

        lines = cli("logs", "--order", order_id, "-o", "json").stdout.splitlines()

        services = {json.loads(line)["service"] for line in lines}
        assert {"orders-service", "payments-worker"} <= services

    def test_after_supervisor_was_killed_up_finds_the_orphans_and_keeps_ports_and_data(
        self, cli: Cli
    ) -> None:
        order_id = place_order(cli)
        before = cli.processes()
        os.kill(int((cli.folder() / "supervisord.pid").read_text()), signal.SIGKILL)

        cli.up()

        after = cli.processes()
        assert {name: entry["port"] for name, entry in after.items()} == {
            name: entry["port"] for name, entry in before.items()
        }
        assert not {entry["pid"] for entry in before.values()} & {
            entry["pid"] for entry in after.values()
        }
        assert order_status(cli, order_id) != ""

    def test_after_a_power_cut_up_just_works_and_nothing_is_lost(self, cli: Cli) -> None:
        order_id = place_order(cli)
        eventually(lambda: order_status(cli, order_id) == "paid", "the order is paid")
        cut_the_power(cli.alive)
        assert (cli.folder() / "supervisord.pid").exists()

        cli.up()

        # The broker loads its groups again; until then their lag is unknown, and said to be.
        eventually(lambda: cli.status()["exit"]["code"] == 0, "all is healthy")
        assert order_status(cli, order_id) == "paid"

    def test_a_stolen_port_is_replaced_with_a_note(self, cli: Cli) -> None:
        port = cli.processes()["payments-gateway"]["port"]
        cli("down")
        thief = subprocess.Popen([sys.executable, "-m", "http.server", str(port)])
        try:
            eventually(lambda: listeners(port), "the thief listens")

            done = cli("up")
        finally:
            thief.terminate()
            thief.wait()

        assert done.returncode == 0
        assert f"port {port} of payments-gateway is taken" in done.stderr

    def test_a_pinned_webhook_port_that_is_taken_is_refused_with_its_holder(self, cli: Cli) -> None:
        taken = str(cli.processes()["kafka"]["port"])

        done = cli("up", "--name", "second", "--webhook-port", taken)

        assert done.returncode == 2
        assert f"port {taken}" in done.stderr

    def test_two_environments_run_side_by_side_and_down_stops_only_one(self, cli: Cli) -> None:
        cli.up("--name", "second")

        first = {entry["port"] for entry in cli.status()["processes"]}
        second = {entry["port"] for entry in cli.status("--name", "second")["processes"]}
        done = cli("down", "--name", "second")

        assert done.returncode == 0
        assert not first & second
        assert cli.alive("second") == []
        eventually(lambda: cli.status()["exit"]["code"] == 0, "all is healthy")
        assert cli("down", "--name", "second", "--purge").returncode == 0
        assert not cli.folder("second").exists()

    def test_down_leaves_no_process_and_keeps_the_data(self, cli: Cli) -> None:
        order_id = place_order(cli)
        eventually(lambda: order_status(cli, order_id) == "paid", "the order is paid")

        first, second = cli("down"), cli("down")

        assert (first.returncode, second.returncode) == (0, 0)
        assert cli.alive() == []
        assert cli.status()["exit"] == {"code": 1, "reason": "something_is_down"}
        cli.up()
        assert order_status(cli, order_id) == "paid"


def test_an_interrupted_up_cleans_up(lone: Cli) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "bookpayctl", "up"],
        env={**os.environ, "BOOKPAY_HOME": str(lone.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    with child.stderr as lines:
        next(line for line in lines if line.startswith("kafka") and "ready" in line)
        child.send_signal(signal.SIGINT)
        rest = lines.read()

    assert child.wait(PATIENCE_SECONDS) == 130
    assert "stopped by SIGINT; nothing it started was left running" in rest
    assert lone.alive() == []


def test_a_part_that_fails_is_named_with_its_log_and_nothing_is_left_running(
    lone: Cli,
) -> None:
    def with_a_broken_notifier(addresses: programs.Addresses) -> list[programs.Program]:
        broken = "import sys; print('SMTP_PORT is not set'); sys.exit(2)"
        return [
            replace(program, command=(sys.executable, "-c", broken))
            if program.name == "notifier"
            else program
            for program in programs.applications(addresses)
        ]

    with pytest.raises(PartFailedError) as failure:
        up.bring_up(
            UpOptions(name="default"),
            lone.folder(),
            lambda _step: None,
            applications=with_a_broken_notifier,
        )

    assert failure.value.part == "notifier"
    assert "exit status 2" in str(failure.value)
    assert failure.value.log[-1] == "SMTP_PORT is not set"
    assert lone.alive() == []


def test_a_lost_password_file_is_made_again_and_the_data_stays(lone: Cli) -> None:
    lone.up()
    order_id = place_order(lone)
    lone("down")
    (lone.folder() / "secrets" / "pgpass").unlink()

    lone.up()

    assert order_status(lone, order_id) != ""


def test_purge_removes_the_folder_and_a_second_purge_is_harmless(lone: Cli) -> None:
    lone.up()

    first, second = lone("down", "--purge"), lone("down", "--purge")

    assert (first.returncode, second.returncode) == (0, 0)
    assert not lone.folder().exists()


def test_a_folder_that_was_removed_under_a_running_stack_is_no_obstacle(lone: Cli) -> None:
    lone.up()
    shutil.rmtree(lone.folder())

    lone.up()

    assert place_order(lone)


def place_order(cli: Cli) -> str:
    body = (
        '{"items":[{"sku":"book-kafka","quantity":1}],"currency":"usd","customer_id":"acceptance"}'
    )
    answer = cli.shell(
        'curl -sS --fail-with-body "$ORDERS_URL/orders" -H "Authorization: Bearer $ORDERS_TOKEN"'
        f" -H 'Content-Type: application/json' -H 'Idempotency-Key: {time.time_ns()}' -d '{body}'"
    )
    return str(json.loads(answer)["id"])


def order_status(cli: Cli, order_id: str) -> str:
    return cli.shell(f'psql "$DB_DSN" -Atc "SELECT status FROM orders WHERE id=\'{order_id}\'"')


def listeners(port: int) -> list[int | None]:
    return [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
    ]

"""The port to a running environment, on real ones: what a target says and does on each platform.

Written against `Target` alone: every platform is held to the same tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.clients.http import NoAnswer
from bookpayctl.load import probe_orders
from bookpayctl.runs.waiting import wait_until
from bookpayctl.targets import environment as environments
from bookpayctl.targets.errors import NoSuchProcessError
from bookpayctl.targets.platforms import open_target, reached
from bookpayctl.targets.target import Mark, Target, answering, named, processes_of
from runtime.domain.names import Service
from tests.support.command_line import NAME, environment_that_is_up

pytestmark = [pytest.mark.acceptance]

BACK_SECONDS_MAX = 120.0
VICTIM = Service.NOTIFIER


@pytest.fixture(scope="module", params=["local", "kube"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    if request.param == "kube":
        command = request.getfixturevalue("in_cluster")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in command.variables().items():
                patch.setenv(name, value)
            yield open_target(reached(environments.load(command.name)))
        return
    home = tmp_path_factory.mktemp("target")
    with environment_that_is_up(home), pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOKPAY_HOME", str(home))
        yield open_target(environments.load(NAME))


def one_of(target: Target, service: str) -> str:
    """A process of a service, by the name it has now."""
    return processes_of(target, service)[0]


def wait_running(target: Target, name: str) -> None:
    """Until every process of that name, or of that service, runs, and there is one."""
    back = wait_until(
        lambda: named(target.processes(), name),
        lambda found: bool(found) and all(process.running for process in found),
        deadline_seconds=BACK_SECONDS_MAX,
    )
    assert back.reached, back.value


def wait_listening(target: Target, name: str) -> None:
    """One that was killed or stopped by the test before runs a while before it listens."""
    listens = wait_until(
        lambda: target.accepts_connections(name), bool, deadline_seconds=BACK_SECONDS_MAX
    )
    assert listens.reached


def test_every_process_of_the_environment_runs_and_has_an_incarnation(target: Target) -> None:
    processes = target.processes()

    assert set(processes) == {spec.name for spec in target.environment.processes}
    assert {process.running for process in processes.values()} == {True}
    incarnations = [process.incarnation for process in processes.values()]
    assert None not in incarnations
    assert len(set(incarnations)) == len(incarnations)


def test_a_kill_is_seen_by_the_parent_and_only_since_its_mark(target: Target) -> None:
    victim = one_of(target, VICTIM)
    before, mark = target.processes()[victim].incarnation, target.mark()

    killed = target.kill(victim)
    seen = wait_until(
        lambda: target.events(mark),
        lambda events: bool(events.starts_of(victim)),
        deadline_seconds=BACK_SECONDS_MAX,
    )

    assert killed == before
    assert [end.signal for end in seen.value.ends_of(victim)] == ["SIGKILL"]
    assert seen.value.starts_of(victim) != [before]
    wait_running(target, VICTIM)
    assert target.events(target.mark()).ends == ()


def test_what_was_stopped_stays_away_until_it_is_started(target: Target) -> None:
    wait_listening(target, VICTIM)

    victim = one_of(target, VICTIM)
    target.stop(victim)
    stopped = target.processes()[victim]
    refused, killed = not target.accepts_connections(victim), target.kill(victim)
    target.start(victim)

    assert not stopped.running
    assert stopped.incarnation is None
    assert refused
    assert killed is None
    wait_running(target, VICTIM)


def test_a_service_is_stopped_and_started_by_its_name_with_all_its_processes(
    target: Target,
) -> None:
    before = processes_of(target, Service.PUBLISHER)

    target.stop(Service.PUBLISHER)
    left = [now for now in target.processes().values() if now.service == Service.PUBLISHER]
    refused = not target.accepts_connections(Service.PUBLISHER)
    target.start(Service.PUBLISHER)

    assert [now.name for now in left if now.running] == []
    assert refused
    back = wait_until(
        lambda: answering(target, Service.PUBLISHER),
        lambda names: len(names) == len(before),
        deadline_seconds=BACK_SECONDS_MAX,
    )
    assert back.reached, back.value


def test_a_name_that_nothing_bears_is_refused(target: Target) -> None:
    for act in (target.stop, target.start, target.accepts_connections):
        with pytest.raises(NoSuchProcessError):
            act("payments")


def test_servers_are_told_from_services(target: Target) -> None:
    servers = {now.service for now in target.processes().values() if now.is_server}
    services = {now.service for now in target.processes().values() if not now.is_server}

    assert servers == {"postgres", "kafka", "stripe-twin", "mail-sink"}
    assert services == {service.value for service in Service}


def test_what_is_frozen_is_mute_and_runs_and_speaks_again_when_it_is_thawed(
    target: Target,
) -> None:
    wait_listening(target, VICTIM)

    victim = one_of(target, VICTIM)
    target.freeze(victim)
    try:
        mute, runs = target.ask(victim, "/healthz"), target.processes()[victim].running
    finally:
        target.thaw(victim)
    speaks = wait_until(
        lambda: target.ask(victim, "/healthz").status,
        lambda status: status == 200,
        deadline_seconds=BACK_SECONDS_MAX,
    )

    # A connection was made, so whether it was read nobody knows.
    assert (mute.status, mute.missing) == (None, NoAnswer.UNKNOWN)
    assert runs
    assert speaks.reached


def test_the_processes_of_a_service_answer(target: Target) -> None:
    names = processes_of(target, Service.PUBLISHER)

    assert len(names) == 3
    assert answering(target, Service.PUBLISHER) == names


def said_by(target: Target, processes: list[str], since: Mark) -> list[str]:
    return [line for process in processes for line in target.log_since(process, since)]


def test_log_lines_since_a_mark_are_those_written_since(target: Target) -> None:
    mark = target.mark()
    processes = processes_of(target, Service.ORDERS)
    before = said_by(target, processes, mark)
    title = probe_orders.titles_in_stock(target.environment)[0]
    document = probe_orders.order_document(
        title, payment_method=probe_orders.PAYMENT_METHOD_THAT_PAYS, customer_id="port-test"
    )
    order = probe_orders.orders_api(target.environment).place(document, client_key="port-test")
    said = wait_until(
        lambda: [line for line in said_by(target, processes, mark) if order.body["id"] in line],
        bool,
        deadline_seconds=BACK_SECONDS_MAX,
    )

    assert before == []
    assert said.reached, order.problem()
    assert said.value[0] in [line.raw for line in target.log_lines(processes)]


def test_a_program_runs_once_with_the_variables_of_its_service(target: Target) -> None:
    done = target.run_once(
        Service.WORKER.value, ["--group", "port-test", "--until-end"], deadline_seconds=120.0
    )

    assert done.exit_status == 0, done.stderr
    assert '"records"' in done.stdout.splitlines()[-1]


def test_a_process_nobody_knows_is_named(target: Target, tmp_path: Path) -> None:
    with pytest.raises(NoSuchProcessError, match="no process nobody"):
        target.kill("nobody")
    assert target.ask("nobody", "/healthz").missing is NoAnswer.NOT_SENT

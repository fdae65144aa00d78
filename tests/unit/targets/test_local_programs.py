"""The list of processes: complete, consistent, and stopped in the right order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bookpayctl.targets.local.supervise import programs
from bookpayctl.targets.local.supervise.programs import ReadinessProbe, Tier

ADDRESSES = programs.Addresses(
    name="test",
    root=Path("/env"),
    dsn="postgresql://bookpay@127.0.0.1:1/bookpay",
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

PROCESSES = {
    "stripe-twin",
    "mail-sink",
    "orders-service-http",
    "orders-service-consumer",
    "outbox-publisher-0",
    "outbox-publisher-1",
    "outbox-publisher-2",
    "payments-worker-0",
    "payments-worker-1",
    "payments-gateway",
    "payments-webhook-receiver",
    "payments-reconciler",
    "notifier",
}


def by_name() -> dict[str, programs.Program]:
    return {program.name: program for program in programs.applications(ADDRESSES)}


def test_there_are_eleven_service_processes_a_twin_and_a_mail_sink() -> None:
    assert set(by_name()) == PROCESSES


def test_no_publisher_of_ours_runs_beside_debezium() -> None:
    listed = programs.applications(replace(ADDRESSES, publisher="debezium"))
    reconciler = next(one for one in listed if one.name == "payments-reconciler")

    publishers = {name for name in PROCESSES if name.startswith("outbox-publisher")}
    assert {program.name for program in listed} == PROCESSES - publishers
    assert reconciler.variables["BOOKPAY_CHANGE_DATA_CAPTURE"] == "on"
    assert by_name()["payments-reconciler"].variables["BOOKPAY_CHANGE_DATA_CAPTURE"] == "off"


def test_an_existing_stripe_leaves_the_twin_out() -> None:
    listed = programs.applications(replace(ADDRESSES, own_twin=False))

    assert {program.name for program in listed} == PROCESSES - {"stripe-twin"}


def test_a_tap_stands_before_stripe_only_when_it_is_asked_for() -> None:
    tapped = {
        program.name: program
        for program in programs.applications(replace(ADDRESSES, tap_journal=Path("/env/j.jsonl")))
    }

    gateway = "payments-gateway"
    port = ADDRESSES.ports["stripe-tap"]
    assert "stripe-tap" not in by_name()
    assert by_name()[gateway].variables["STRIPE_API_BASE"] == ADDRESSES.stripe_api_base
    assert tapped[gateway].variables["STRIPE_API_BASE"] == f"http://127.0.0.1:{port}"
    assert ADDRESSES.stripe_api_base in tapped["stripe-tap"].command
    assert "/env/j.jsonl" in tapped["stripe-tap"].command
    assert tapped["stripe-tap"].variables == {}


def test_only_the_gateway_holds_the_stripe_key() -> None:
    holders = {
        name for name, program in by_name().items() if "STRIPE_API_KEY_FILE" in program.variables
    }

    assert holders == {"payments-gateway"}


def test_a_process_knows_its_own_name_and_port() -> None:
    worker = by_name()["payments-worker-1"]

    assert worker.variables["BOOKPAY_PROCESS_NAME"] == "payments-worker-1"
    assert worker.variables["BOOKPAY_HTTP_PORT"] == str(worker.spec.port)
    assert worker.variables["BOOKPAY_FAILPOINTS"] == "on"


def test_the_deadlines_of_the_services_nest() -> None:
    seconds = [
        float(programs.DEADLINES[f"BOOKPAY_{name}_SECONDS"])
        for name in ("STRIPE_TIMEOUT", "GATEWAY_TIMEOUT", "WORKER_HTTP_TIMEOUT", "LEASE")
    ]

    assert seconds == sorted(set(seconds))


def test_services_stop_first_and_the_database_last() -> None:
    order = sorted(
        ["postgres", "kafka", "stripe-tap", "notifier"],
        key=programs.tier_of_process,
        reverse=True,
    )

    assert order == ["notifier", "stripe-tap", "kafka", "postgres"]
    assert programs.tier_of_process("stripe-twin") is Tier.OUTSIDE
    assert by_name()["payments-worker-0"].tier is Tier.SERVICE


def test_services_are_asked_by_http_and_servers_in_their_own_protocol() -> None:
    probes = {name: programs.probe_of_process(name) for name in ("postgres", "kafka", "mail-sink")}

    assert probes == {
        "postgres": ReadinessProbe.POSTGRES,
        "kafka": ReadinessProbe.KAFKA,
        "mail-sink": ReadinessProbe.SMTP,
    }
    assert programs.probe_of_process("notifier") is ReadinessProbe.READYZ


def test_every_service_and_nobody_else_is_told_of_a_collector_of_traces() -> None:
    collector = "http://127.0.0.1:4318"
    listed = programs.applications(replace(ADDRESSES, otlp_endpoint=collector))

    told = {each.name: each.variables.get("OTEL_EXPORTER_OTLP_ENDPOINT") for each in listed}

    services = {program.name for program in listed if program.tier is programs.Tier.SERVICE}
    assert told == {name: collector if name in services else None for name in told}
    assert not any("OTEL_EXPORTER_OTLP_ENDPOINT" in each.variables for each in by_name().values())

"""One document of each kind that the tool prints, of values that are fixed and all different."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from bookpayctl.cli.commands import (
    attach,
    config,
    dlq,
    doctor,
    drill,
    env,
    explain,
    image,
    load,
    mapping,
    order,
    recover,
    refund,
    replay,
    replay_outbox,
    shadow,
    status,
    webhook,
    webhook_quarantine,
)
from bookpayctl.cli.drill_runs import drill_plan
from bookpayctl.cli.operator_requests import operator_requests
from bookpayctl.cli.output import Document, Failure, failure_document
from bookpayctl.clients.http import HttpAnswer
from bookpayctl.drill.scenario import DrillRequest, plan
from bookpayctl.drill.series import turns_of
from bookpayctl.drills import load_drill
from bookpayctl.drills.catalogue import CATALOGUE
from bookpayctl.image.build import Built, BuiltLayer, ImageFile
from bookpayctl.image.platforms import ImagePlatform
from bookpayctl.judge.mapping.loading import mapping_of
from bookpayctl.judge.readers.mapped_columns import ColumnFinding, MappingFindings
from bookpayctl.load.plan import OrderKind
from bookpayctl.load.sender import Accepted, SettledOrders
from bookpayctl.operate.dead_letters import DeadLetterEntry
from bookpayctl.operate.orders import OrderEntry
from bookpayctl.operate.quarantine import QuarantineEntry
from bookpayctl.operate.refunds import RefundEntry
from bookpayctl.operate.shadow import DayOutcome, Imported, Mismatch, Parity
from bookpayctl.replay.evidence import SavedPosition
from bookpayctl.replay.outbox_rows import CountedRows
from bookpayctl.report.exit_code import ExitCode
from bookpayctl.runs.directory import Run
from bookpayctl.targets.environment import Environment, ProcessSpec
from bookpayctl.targets.platform import Examination, ExaminationResult
from bookpayctl.targets.settings import SETTINGS, Value
from bookpayctl.targets.status import (
    Leader,
    MovedByOthers,
    OpenPayments,
    ProcessStatus,
    SlotUse,
    Status,
    UnknownFact,
    Waiting,
)
from bookpayctl.targets.suppressions import Suppression
from bookpayctl.trace.collect import OrderTimeline
from bookpayctl.trace.timeline import TimelineEvent, timeline
from tests.support.certificate_documents import CERTIFICATE_DOCUMENTS
from tests.support.glance import WATCH_DOCUMENTS
from tests.support.run_documents import RUN_DOCUMENTS
from tests.support.runbook_documents import RUNBOOK_DOCUMENTS

T0: Final = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
EVENT_ID: Final = "11111111-2222-4333-8444-555555555555"
ORDER_ID: Final = "ord_11111111222243338444"
INTENT: Final = "pi_3QK0000000000000"

ENVIRONMENT: Final = Environment(
    name="golden",
    root=Path("/srv/bookpay/golden"),
    target="local",
    dsn="postgresql://bookpay@127.0.0.1:20001/bookpay?passfile=/srv/bookpay/golden/secrets/pgpass",
    kafka_bootstrap_servers="127.0.0.1:20002",
    stripe_api_base="http://127.0.0.1:20003",
    stripe_control_url="http://127.0.0.1:20004",
    orders_url="http://127.0.0.1:20005",
    gateway_url="http://127.0.0.1:20006",
    webhook_url="http://127.0.0.1:20007/stripe/webhook",
    mail_dir=Path("/srv/bookpay/golden/mail"),
    tenant_id="acme-books",
    processes=(
        ProcessSpec("postgres", "postgres", 20001),
        ProcessSpec("payments-worker-0", "payments-worker", 20008),
    ),
)

WORKER: Final = ProcessStatus(
    name="payments-worker-0",
    service="payments-worker",
    state="running",
    pid=4711,
    uptime_seconds=3725.0,
    restarts=2,
    port=20008,
    ready=True,
    detail="",
    lag=17,
)
SLOT: Final = SlotUse(streamed=True, lost=False, kept_bytes=1_200_000, left_bytes=4 * 10**9)
STATUS: Final = Status(
    "golden",
    (
        WORKER,
        replace(
            WORKER,
            name="payments-worker-1",
            ready=False,
            detail="database",
            lag=UnknownFact("the broker did not answer"),
        ),
        ProcessStatus(
            "notifier", "notifier", "stopped", None, None, 0, 20009, ready=False, detail="", lag=4
        ),
        ProcessStatus(
            "kafka",
            "kafka",
            "running",
            12,
            60.0,
            UnknownFact("its supervisor did not answer"),
            None,
            ready=UnknownFact("nobody listens"),
            detail="",
            lag=None,
        ),
    ),
    Leader("outbox-publisher-1", backend_pid=815, term=3, held_seconds=61.0, slot=SLOT),
    (OpenPayments("processing", 2, 90.0), OpenPayments("unknown", 1, 5.0)),
    (Waiting("dead letters", 1, 7200.0), Waiting("early webhooks", 0, 0.0)),
    (MovedByOthers("disputes lost", 1, 4999, "usd"), MovedByOthers("refunds", 2, 700, "jpy")),
    notes=("the broker was asked twice",),
)
TRACE: Final = OrderTimeline(
    order={
        "id": ORDER_ID,
        "status": "paid",
        "total_cents": 4999,
        "currency": "usd",
        "cancel_reason": None,
        "created_at": T0,
    },
    root_event_id=EVENT_ID,
    events=[
        TimelineEvent(T0 + timedelta(milliseconds=250), "kafka", "record", "orders.placed/0@7"),
        TimelineEvent(T0, "postgres", "order written", "4999 usd, reserved 1x book-kafka"),
        TimelineEvent(T0 + timedelta(seconds=2), "stripe", "POST /v1/payment_intents", INTENT),
    ],
    missing=["http: the history of this run was removed"],
    notes=["webhooks are shown from the receiver's side"],
)
LETTER: Final = DeadLetterEntry(
    id=7,
    source="payments-worker",
    reason="amount_too_small",
    event_id=UUID(EVENT_ID),
    place=None,
    error="parked: amount_too_small",
    age_seconds=3600.5,
    resolved=False,
    order_id=ORDER_ID,
    payment_state="parked",
    may_be_charged=False,
)
ACCEPTED: Final = Accepted(
    planned=100,
    ok=97,
    fail=2,
    unknown=1,
    by_kind={"ok": 80, "declined": 20},
    refusals={"429 rate_limited": 2},
    accept_seconds=[0.01, 0.02, 0.5],
    late=3,
    seconds=10.0,
)
SETTLED: Final = SettledOrders(
    orders=97,
    by_status={"paid": 77, "cancelled": 20},
    paid_seconds={OrderKind.OK: [0.1, 0.2, 0.9], OrderKind.SLOW: []},
)
PARITY: Final = Parity(
    days=(
        DayOutcome(date(2026, 11, 21), "settled", agreed=98, differed=1, unresolved=0),
        DayOutcome(date(2026, 11, 22), "declined", agreed=1, differed=0, unresolved=2),
    ),
    waiting=4,
    mismatches=(Mismatch(UUID(EVENT_ID), ORDER_ID, "settled pi_1", "declined card_declined"),),
)


def _status() -> Document:
    return status.status_document(STATUS)


def _mapping_test() -> Document:
    text = (
        'version = 1\nname = "corner"\nabsent = { kafka = "no broker" }\n'
        "[tables.orders]\nselect = 'SELECT'"
    )
    column = ColumnFinding(
        "orders",
        "status",
        required=True,
        type_name="text",
        examples=("done -> paid",),
        not_asked=("I98", "I99"),
    )
    findings = MappingFindings((column,), ("a problem",), ("a note",))
    return mapping.mapping_tested(mapping_of(text), findings)


def _order_list() -> Document:
    paid = OrderEntry(ORDER_ID, "paid", "succeeded", 4999, "usd", T0, INTENT)
    return order.order_list([paid, replace(paid, id="ord_2", payment=None, intent=None)])


def _order_trace() -> Document:
    return order.order_trace(TRACE, timeline(TRACE.events))


def _refund_list() -> Document:
    failed = RefundEntry(
        *(ORDER_ID, 1, "failed", 4999, "usd", "declined", "re_1", "refunding", 3, 61.5),
        UUID(EVENT_ID),
    )
    return refund.refund_list([failed])


def _dead_letter_list() -> Document:
    unread = replace(LETTER, id=8, event_id=None, order_id=None, place="orders.placed/0@7")
    return dlq.dead_letter_list([LETTER, unread])


def _quarantine_list() -> Document:
    body = b'{"id":"evt_1","type":"payment_intent.succeeded"}'
    held = QuarantineEntry(
        3, T0, 125.0, "other_payment_intent", body, {"content-type": "application/json"}, None
    )
    odd = QuarantineEntry(2, T0, 126.0, "not_an_object", b"[]", {}, T0 + timedelta(seconds=1))
    return webhook_quarantine.quarantine_list([held, odd])


def _attached() -> Document:
    settings = {"context": "staging", "namespaces": "bookstore-platform-payments,kafka-system"}
    return attach.attached_document(replace(ENVIRONMENT, name="staging", settings=settings))


def _doctor() -> Document:
    findings = [
        Examination("python", ExaminationResult.OK, "3.11 or newer", "3.11.7"),
        Examination("memory", ExaminationResult.WARNING, "1.4 GB", "1.2 GB", "close something"),
        Examination("java", ExaminationResult.UNKNOWN, "it runs", "it was not asked"),
    ]
    return doctor.doctor_report(findings, strict=True)


def _drill_list() -> Document:
    return drill.drill_list([(entry, load_drill(entry)) for entry in CATALOGUE])


def _drill_plan() -> Document:
    entry = next(entry for entry in CATALOGUE if entry.slug == "crash-mid-charge")
    chosen = load_drill(entry)
    request = DrillRequest(ENVIRONMENT, next(iter(chosen.points)))
    return drill_plan(chosen, plan(chosen, request))


def _drill_series_plan() -> Document:
    entry = next(entry for entry in CATALOGUE if entry.slug == "outage")
    request = DrillRequest(ENVIRONMENT, "kafka", seed=7)
    turns = turns_of([(load_drill(entry), request)], every_point=False, repetitions=2)
    return drill.series_plan(turns)


def _load_report() -> Document:
    run = Run(Path("/srv/bookpay/golden/runs/load-1"), "load-1", "load")
    return load.load_report(run, ACCEPTED, SETTLED, "2 payments are open", None)


def _webhook_sent() -> Document:
    event = {"id": "evt_1", "type": "refund.updated", "data": {"object": {"id": "re_1"}}}
    return webhook.webhook_sent(event, HttpAnswer(400, b'{"error":"invalid signature"}'))


def _recover_report() -> Document:
    rows = [
        ("drill-1", "disarm_failpoints", "undone"),
        ("drill-2", "clear_stripe_fault", "the twin is away"),
    ]
    return recover.recover_report(rows, ExitCode.DIRTY)


def _operator_requests() -> Document:
    rows = [
        (f"7 {ORDER_ID}", "done", "the payment is pending again, with the same key"),
        ("8 ord_2", "refused", "it may have been executed; reconcile it first"),
    ]
    return operator_requests(rows, ExitCode.REFUSED)


def _config() -> Document:
    values = {setting.key: Value(setting.default, "default") for setting in SETTINGS}
    suppressions = (Suppression("BP-O005", "until the new disks are in", date(2026, 12, 31)),)
    return config.config_document({**values, "name": Value("golden", "flag")}, suppressions)


def _failure() -> Document:
    return failure_document(
        Failure(
            *(ExitCode.UNKNOWN, "part_failed", "kafka did not come up", "kafka"),
            log=("out of memory",),
            fix="bookpayctl doctor",
        )
    )


IMAGE: Final = Built(
    tag="bookpay:dev",
    image_id=f"sha256:{'1' * 64}",
    builder="bookpayctl",
    file=ImageFile(
        path=Path("/srv/bookpay.tar"),
        digest=f"sha256:{'2' * 64}",
        size_bytes=40_000_000,
        sbom=Path("/srv/bookpay.cdx.json"),
        platform=ImagePlatform("amd64"),
        python="3.12",
        layers=(
            BuiltLayer("base", f"sha256:{'3' * 64}", 30_000_000),
            BuiltLayer("bookpay", f"sha256:{'4' * 64}", 9_000_000),
        ),
    ),
)

PLANNED_REPLAY: Final = SavedPosition(
    mode="verify",
    began_at=T0,
    retained={("orders.placed", 0): (0, 10), ("orders.placed", 1): (3, 9)},
    ranges={("orders.placed", 0): (4, 10), ("orders.placed", 1): (3, 7)},
    reached={("orders.placed", 0): 4, ("orders.placed", 1): 3},
    bytes=0,
    by_time=True,
)
COUNTED_ROWS: Final = CountedRows("OrderPaid", 12, T0, T0 + timedelta(hours=1))

DOCUMENTS: Final[dict[str, Callable[[], Document]]] = {
    "Config": _config,
    "DeadLetter": lambda: dlq.dead_letter(LETTER, '{"amount_cents": 1}'),
    "DeadLetterList": _dead_letter_list,
    "Attached": _attached,
    "Doctor": _doctor,
    "DrillList": _drill_list,
    "DrillPlan": _drill_plan,
    "DrillSeriesPlan": _drill_series_plan,
    "Explanation": lambda: explain.explanation("I99  a title", {"asks": "what?"}),
    "Failure": _failure,
    "ImageBuilt": lambda: image.image_built(IMAGE),
    "LoadReport": _load_report,
    "MappingBegun": lambda: mapping.mapping_begun(Path("shop.toml"), tables=7, guesses=5),
    "MappingTest": _mapping_test,
    "OperatorRequests": _operator_requests,
    "OrderList": _order_list,
    "OrderTrace": _order_trace,
    "QuarantineList": _quarantine_list,
    "RecoverReport": _recover_report,
    "RedrivePlan": lambda: dlq.redrive_plan([LETTER]),
    "RefundList": _refund_list,
    "ReplayPlan": lambda: replay.plan_document(PLANNED_REPLAY, 2),
    "RepublishPlan": lambda: replay_outbox.plan_document([COUNTED_ROWS], None),
    "ShadowImport": lambda: shadow.shadow_import(Imported(new=12, known=3)),
    "ShadowReport": lambda: shadow.shadow_report(PARITY),
    "ShellEnvironment": lambda: env.shell_environment({"DB_DSN": ENVIRONMENT.dsn, "TOKEN": "t"}),
    "Status": _status,
    "WebhookSent": _webhook_sent,
    **CERTIFICATE_DOCUMENTS,
    **RUN_DOCUMENTS,
    **WATCH_DOCUMENTS,
    **RUNBOOK_DOCUMENTS,
}
"""What a function makes; a command that prints while it makes has its golden in the test."""

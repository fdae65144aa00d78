"""Every alert fires when it must and sleeps when it may, as Prometheus itself evaluates it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support.alerts import alert_rules, promtool, rule_groups

PROMTOOL = promtool()
SECONDS_MAX: Final = 120
# In promtool's notation: a value, what is added each minute, how often.


@dataclass(frozen=True, slots=True)
class Case:
    """Series over time, and the minutes at which the alert fires and does not."""

    alert: str
    series: dict[str, str]
    fires_at: tuple[str, ...] = ()
    sleeps_at: tuple[str, ...] = ()


def orders(good: int, bad: int, *, route: str = "/orders", minutes: int = 400) -> dict[str, str]:
    """Requests a minute, good and bad ones."""
    return {
        f'bookpay_http_requests_total{{route="{route}",status="201"}}': f"0+{good}x{minutes}",
        f'bookpay_http_requests_total{{route="{route}",status="503"}}': f"0+{bad}x{minutes}",
    }


def paid(in_time: int, late: int) -> dict[str, str]:
    """Paid orders a minute."""
    return {
        'bookpay_order_paid_seconds_bucket{le="5.0"}': f"0+{in_time}x400",
        "bookpay_order_paid_seconds_count": f"0+{in_time + late}x400",
    }


LEADING: Final = 'bookpay_outbox_publisher_leading{pod="%s"}'
INSTEAD: Final = 'bookpay_outbox_publisher_polls_instead{pod="%s"}'
GIB: Final = 1024**3
# Its series have no short form for a value that is no number.
BOUNDLESS: Final = " ".join(["Inf"] * 20)


def slot(kept: str, left: str) -> dict[str, str]:
    """What the leader says of its slot; nobody else has the series."""
    which = '{slot="bookpay_outbox_5",pod="a"}'
    return {
        f"bookpay_outbox_slot_retained_bytes{which}": kept,
        f"bookpay_outbox_slot_left_bytes{which}": left,
    }


CASES: Final = (
    Case("OutboxPublisherNotLeading", {LEADING % "a": "0x10"}, ("2m",), ("30s",)),
    # Nobody is there who could say so.
    Case("OutboxPublisherNotLeading", {"other": "1x10"}, ("2m",)),
    Case("OutboxPublisherNotLeading", {LEADING % "a": "1x10", LEADING % "b": "0x10"}, (), ("9m",)),
    Case(
        "OutboxPublisherTwoLeaders",
        {LEADING % "a": "1x10", LEADING % "b": "1x10"},
        ("3m",),
        ("1m",),
    ),
    Case("OutboxPublisherTwoLeaders", {LEADING % "a": "1x10", LEADING % "b": "0x10"}, (), ("9m",)),
    Case(
        "OutboxPublisherPollsInstead",
        {INSTEAD % "a": "0x20", INSTEAD % "b": "1x20"},
        ("6m",),
        ("4m",),
    ),
    # Two restarts with a hand-over each.
    Case("OutboxPublisherPollsInstead", {INSTEAD % "a": "1x3 0x3 1x3 0x3"}, (), ("5m", "9m")),
    Case(
        "OutboxSlotNearlyLost",
        slot(f"{2 * GIB}x5 {3 * GIB}x20", f"{2 * GIB}x5 {GIB}x20"),
        ("10m",),
        ("4m", "7m"),
    ),
    # It is lost.
    Case("OutboxSlotNearlyLost", slot("0x20", "0x20"), ("3m",), ("1m",)),
    # Nothing bounds it; and nobody streams, so there is no slot.
    Case("OutboxSlotNearlyLost", slot("0x20", BOUNDLESS), (), ("9m",)),
    Case("OutboxSlotNearlyLost", slot(f"{9 * GIB}x20", BOUNDLESS), (), ("9m",)),
    Case("OutboxSlotNearlyLost", {LEADING % "a": "1x20"}, (), ("9m",)),
    Case("OutboxSlotFillsDisk", slot(f"0x3 {5 * GIB}x15", BOUNDLESS), ("8m",), ("2m", "5m")),
    Case("OutboxSlotFillsDisk", slot(f"{5 * GIB}x20", f"{15 * GIB}x20"), (), ("9m",)),
    Case(
        "PaymentsOpenTooLong",
        {'payments_open_oldest_seconds{state="unknown"}': "540+60x20"},
        ("5m",),
        ("2m",),
    ),
    # They wait for the bank, or for a person who has an alert of his own.
    Case(
        "PaymentsOpenTooLong",
        {'payments_open_oldest_seconds{state="processing"}': "9000x20"},
        (),
        ("15m",),
    ),
    Case("PaymentsParked", {'payments_open{state="parked"}': "1x20"}, ("6m",), ("4m",)),
    Case("StripeCircuitOpen", {"bookpay_stripe_circuit_open": "1x20"}, ("2m",), ("30s",)),
    Case("StripeCircuitOpen", {"bookpay_stripe_circuit_open": "0x20"}, (), ("9m",)),
    Case(
        "RecordsLost",
        {'bookpay_consumer_records_lost_total{topic="t"}': "0x5 3x20"},
        ("10m",),
        ("4m",),
    ),
    Case(
        "DeadLetters",
        {'bookpay_dead_letters_total{source="worker"}': "2x5 3x60"},
        ("10m",),
        ("4m", "30m"),
    ),
    Case(
        "WebhooksRefused",
        {'bookpay_webhook_requests_total{code="signature_invalid"}': "0+60x40"},
        ("30m",),
        ("5m",),
    ),
    Case(
        "WebhooksRefused",
        {'bookpay_webhook_requests_total{code="received"}': "0+600x40"},
        (),
        ("30m",),
    ),
    Case("PaymentsReconcilerSilent", {"other": "1x20"}, ("6m",), ("4m",)),
    Case("PaymentsReconcilerSilent", {'payments_open{state="pending"}': "0x20"}, (), ("9m",)),
    Case(
        "OutboxBacklog",
        {'bookpay_waiting_oldest_seconds{what="outbox_unpublished"}': "0+30x20"},
        ("6m",),
        ("3m",),
    ),
    Case(
        "OutboxBacklog",
        {'bookpay_waiting_oldest_seconds{what="dead_letters"}': "9000x20"},
        (),
        ("9m",),
    ),
    Case(
        "ConsumerLag",
        {
            'bookpay_consumer_lag_records{topic="t",pod="a"}': "600x20",
            'bookpay_consumer_lag_records{topic="t",pod="b"}': "600x20",
        },
        ("11m",),
        ("9m",),
    ),
    Case(
        "ConsumerLag",
        {
            'bookpay_consumer_lag_records{topic="t"}': "600x20",
            'bookpay_consumer_lag_records{topic="u"}': "600x20",
        },
        (),
        ("15m",),
    ),
    Case("OrdersAnsweredWith5xx", orders(95, 5), ("90m",)),
    # Slowly: six times too many, for six hours.
    Case("OrdersAnsweredWith5xx", orders(990, 10), ("390m",)),
    Case("OrdersAnsweredWith5xx", orders(9_999, 1), (), ("90m", "390m")),
    Case("OrdersAnsweredWith5xx", orders(60, 0), (), ("90m",)),
    # One of two in ten minutes: too few to wake somebody.
    Case(
        "OrdersAnsweredWith5xx",
        dict.fromkeys(orders(0, 0), "0x5 1x400"),
        (),
        ("8m", "60m"),
    ),
    Case("WebhooksAnsweredWith5xx", orders(95, 5, route="/stripe/webhook"), ("90m",)),
    Case("WebhooksAnsweredWith5xx", orders(95, 5, route="/orders"), (), ("90m",)),
    Case("OrdersPaidLate", paid(80, 20), ("90m",)),
    Case("OrdersPaidLate", paid(999, 1), (), ("90m", "390m")),
)


def document(case: Case, rules: Path) -> dict[str, object]:
    """The case as `promtool test rules` reads it."""
    rule = alert_rules()[case.alert]
    labels = dict(rule["labels"])
    if case.alert == "ConsumerLag":
        labels["topic"] = "t"
    # What it says is read by people; which alert fires, and with which labels, is asked here.
    summary = re.sub(r"\{\{ \$labels.topic \}\}", "t", rule["annotations"]["summary"])
    fired = {"exp_labels": labels, "exp_annotations": {**rule["annotations"], "summary": summary}}
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": "30s",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in case.series.items()],
                "alert_rule_test": [
                    {"eval_time": at, "alertname": case.alert, "exp_alerts": alerts}
                    for times, alerts in ((case.fires_at, [fired]), (case.sleeps_at, []))
                    for at in times
                ],
            }
        ],
    }


def tried(case: Case, folder: Path) -> subprocess.CompletedProcess[str]:
    """promtool's word on a case."""
    assert PROMTOOL is not None
    rules, asked = folder / "rules.yaml", folder / "asked.yaml"
    rules.write_text(yaml.safe_dump({"groups": rule_groups()}))
    asked.write_text(yaml.safe_dump(document(case, rules)))
    return subprocess.run(
        [*PROMTOOL, "test", "rules", str(asked)],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")


@needs_promtool
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_it_fires_when_it_must_and_sleeps_when_it_may(case: Case, tmp_path: Path) -> None:
    done = tried(case, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_a_case_that_is_wrong_is_refused(tmp_path: Path) -> None:
    """Else every case above would be green whatever it says."""
    wrong = Case("StripeCircuitOpen", {"bookpay_stripe_circuit_open": "0x20"}, ("9m",))

    assert tried(wrong, tmp_path).returncode != 0


def test_every_alert_is_seen_to_fire_and_to_sleep() -> None:
    fired = {case.alert for case in CASES if case.fires_at}
    slept = {case.alert for case in CASES if case.sleeps_at}

    assert fired == slept == set(alert_rules())


def test_what_is_recorded_is_asked_for() -> None:
    rules = [rule for group in rule_groups() for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    asked = {name for rule in rules for name in re.findall(r"bookpay:[a-z_]+:\w+", rule["expr"])}

    assert recorded
    assert recorded == asked

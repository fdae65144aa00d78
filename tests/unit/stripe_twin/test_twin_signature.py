"""Signatures and retry schedules, against values computed elsewhere."""

from __future__ import annotations

import subprocess

import pytest

from bookpayctl.stripe_twin.webhooks.schedule import SCHEDULES, next_attempt_after
from bookpayctl.stripe_twin.webhooks.signature import sign, signature_header


def test_the_signature_is_what_openssl_computes() -> None:
    body = b'{"id": "evt_1"}'

    openssl = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "whsec_abc"],
        input=b"1700000000." + body,
        capture_output=True,
        check=True,
    )

    assert sign("whsec_abc", 1_700_000_000, body) == openssl.stdout.split()[-1].decode()


def test_a_known_signature_stays_what_it_is() -> None:
    # Computed with: printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_abc
    assert sign("whsec_abc", 1_700_000_000, b"{}") == (
        "bad9ac117e973d721c232d46744158d75e3f1b44e36771e13d01b9e6a580bc72"
    )


def test_the_header_has_one_v1_per_secret_and_a_fake_v0() -> None:
    header = signature_header(["whsec_new", "whsec_old"], 1_700_000_000, b"{}")

    parts = [part.split("=", 1) for part in header.split(",")]

    assert [scheme for scheme, _ in parts] == ["t", "v1", "v1", "v0"]
    assert parts[0][1] == "1700000000"
    assert parts[1][1] == sign("whsec_new", 1_700_000_000, b"{}")
    assert parts[2][1] == sign("whsec_old", 1_700_000_000, b"{}")
    assert parts[3][1] not in (parts[1][1], parts[2][1])


@pytest.mark.parametrize(
    ("failed", "wait_seconds"), [(0, None), (1, 10.0), (2, 20.0), (3, None), (99, None)]
)
def test_a_schedule_has_an_end(failed: int, wait_seconds: float | None) -> None:
    assert next_attempt_after((10.0, 20.0), failed) == wait_seconds


def test_live_retries_last_about_three_days_and_a_sandbox_tries_three_times() -> None:
    assert 2.5 <= sum(SCHEDULES["live"]) / 86_400 <= 3.5
    assert len(SCHEDULES["sandbox"]) == 3
    assert sum(SCHEDULES["local"][:4]) <= 15

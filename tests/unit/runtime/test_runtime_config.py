"""Settings: what is missing or wrong is named, what guards data cannot be left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import config
from runtime.config import ConfigError, Source

COMMON = {"DB_DSN": "postgresql://x"}
GATEWAY = {"STRIPE_API_KEY": "sk_test_1", "GATEWAY_TOKEN": "token"}
CLIENT = {"GATEWAY_URL": "http://127.0.0.1:1", "GATEWAY_TOKEN": "token"}


def common(source: Source) -> object:
    return config.common(source, "payments-worker", None)


@pytest.mark.parametrize(
    ("read", "values", "variable"),
    [
        (common, {}, "DB_DSN"),
        (common, {"DB_DSN": "  "}, "DB_DSN"),
        (common, {"DB_DSN": "postgresql://u:p%zz@h/db"}, "DB_DSN is not a connection string"),
        (common, {**COMMON, "BOOKPAY_HTTP_PORT": "0"}, "BOOKPAY_HTTP_PORT"),
        (common, {**COMMON, "BOOKPAY_HTTP_PORT": "65536"}, "BOOKPAY_HTTP_PORT"),
        (common, {**COMMON, "BOOKPAY_HTTP_PORT": "80.5"}, "BOOKPAY_HTTP_PORT"),
        (common, {**COMMON, "BOOKPAY_HTTP_PORT": "http"}, "BOOKPAY_HTTP_PORT"),
        (common, {**COMMON, "BOOKPAY_FAILPOINTS": "maybe"}, "BOOKPAY_FAILPOINTS"),
        (common, {**COMMON, "BOOKPAY_LOG_LEVEL": "LOUD"}, "BOOKPAY_LOG_LEVEL"),
        (config.kafka_bootstrap_servers, {}, "KAFKA_BOOTSTRAP_SERVERS"),
        (config.kafka_security, {"KAFKA_USERNAME": "u"}, "KAFKA_PASSWORD"),
        (config.kafka_security, {"KAFKA_CA_FILE": "/not/there"}, "KAFKA_CA_FILE"),
        (config.gateway, {"GATEWAY_TOKEN": "t"}, "STRIPE_API_KEY"),
        (config.gateway, {"STRIPE_API_KEY": "sk_test_1"}, "GATEWAY_TOKEN"),
        (config.gateway, {**GATEWAY, "STRIPE_API_BASE": "stripe"}, "STRIPE_API_BASE"),
        (config.gateway, {**GATEWAY, "BOOKPAY_GATEWAY_THREADS": "0"}, "BOOKPAY_GATEWAY_THREADS"),
        (config.gateway, {**GATEWAY, "SHADOW_MODE": "perhaps"}, "SHADOW_MODE"),
        (config.worker, {"GATEWAY_TOKEN": "t"}, "GATEWAY_URL"),
        (config.worker, {**CLIENT, "GATEWAY_URL": "ftp://x"}, "GATEWAY_URL"),
        (config.worker, {**CLIENT, "BOOKPAY_WORKER_CONCURRENCY": "0"}, "BOOKPAY_WORKER_CONCU"),
        (config.worker, {**CLIENT, "BOOKPAY_LEASE_SECONDS": "nan"}, "BOOKPAY_LEASE_SECONDS"),
        (config.worker, {**CLIENT, "BOOKPAY_LEASE_SECONDS": "inf"}, "BOOKPAY_LEASE_SECONDS"),
        (
            config.reconciler,
            {**CLIENT, "BOOKPAY_WEBHOOK_WINDOW_SECONDS": "0"},
            "BOOKPAY_WEBHOOK_WINDOW_SECONDS",
        ),
        (
            config.reconciler,
            {**CLIENT, "BOOKPAY_PARKED_WEBHOOK_WINDOW_SECONDS": "x"},
            "BOOKPAY_PARKED_WEBHOOK_WINDOW_SECONDS",
        ),
        (config.notifier, {}, "SMTP_HOST"),
        (config.notifier, {"SMTP_HOST": "x", "SMTP_PORT": "0"}, "SMTP_PORT"),
        (config.webhook_secrets, {}, "STRIPE_WEBHOOK_SECRET"),
        (config.webhook_secrets, {"STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET"),
        (config.webhook_secrets, {"STRIPE_WEBHOOK_SECRET": "  \n"}, "STRIPE_WEBHOOK_SECRET"),
        (config.webhook_secrets, {"STRIPE_WEBHOOK_SECRET": "a,,b"}, "STRIPE_WEBHOOK_SECRET"),
        (config.webhook_secrets, {"STRIPE_WEBHOOK_SECRET": "a,"}, "STRIPE_WEBHOOK_SECRET"),
    ],
    ids=lambda value: getattr(value, "__name__", "") if callable(value) else "",
)
def test_a_setting_that_is_missing_or_wrong_is_named(
    read: Callable[[Source], object], values: dict[str, str], variable: str
) -> None:
    with pytest.raises(ConfigError, match=variable) as refused:
        read(Source(values))

    assert "\n" not in str(refused.value)


# In two pieces, so that this line is not itself what a scanner for live keys looks for.
@pytest.mark.parametrize("prefix", ["sk_" + "live_", "rk_" + "live_", "pk_" + "live_"])
def test_a_live_key_is_refused_and_not_repeated(prefix: str) -> None:
    with pytest.raises(ConfigError, match="STRIPE_API_KEY") as refused:
        config.gateway(Source({**GATEWAY, "STRIPE_API_KEY": prefix + "secretpart"}))

    assert "secretpart" not in str(refused.value)


def test_a_live_key_in_a_file_is_refused_too(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk_" + "live_secretpart\n")

    with pytest.raises(ConfigError, match="live key"):
        config.gateway(Source({"STRIPE_API_KEY_FILE": str(file), "GATEWAY_TOKEN": "t"}))


DEADLINES = [
    "BOOKPAY_STRIPE_TIMEOUT_SECONDS",
    "BOOKPAY_GATEWAY_TIMEOUT_SECONDS",
    "BOOKPAY_WORKER_HTTP_TIMEOUT_SECONDS",
    "BOOKPAY_LEASE_SECONDS",
]


def test_the_deadlines_of_production_nest() -> None:
    read = config.deadlines(Source({}))

    assert (read.stripe_seconds, read.gateway_seconds) == (30, 35)
    assert (read.worker_http_seconds, read.lease_seconds) == (40, 60)


@pytest.mark.parametrize("outer", [1, 2, 3])
@pytest.mark.parametrize("same", [True, False])
def test_a_caller_that_gives_up_before_its_callee_is_refused(outer: int, same: bool) -> None:
    values = dict(zip(DEADLINES, ["8", "10", "12", "15"], strict=True))
    inner_seconds = float(values[DEADLINES[outer - 1]])
    values[DEADLINES[outer]] = str(inner_seconds if same else inner_seconds - 1)

    with pytest.raises(ConfigError) as refused:
        config.deadlines(Source(values))

    assert DEADLINES[outer] in str(refused.value)
    assert DEADLINES[outer - 1] in str(refused.value)


def test_a_secret_may_come_from_a_file_which_is_preferred(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    source = Source({"GATEWAY_TOKEN": "from-env", "GATEWAY_TOKEN_FILE": str(file)})

    assert source.secret("GATEWAY_TOKEN") == "from-file"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_secret_file_that_is_missing_or_empty_is_named(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigError, match="GATEWAY_TOKEN_FILE"):
        Source({"GATEWAY_TOKEN_FILE": str(file)}).secret("GATEWAY_TOKEN")


@pytest.mark.parametrize("text", ["whsec_a,whsec_b", "whsec_a\nwhsec_b\n", "whsec_a , whsec_b"])
def test_several_signing_secrets_are_active_at_once(text: str) -> None:
    source = Source({"STRIPE_WEBHOOK_SECRET": text})

    assert config.webhook_secrets(source) == ("whsec_a", "whsec_b")


def test_a_rotated_secret_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    source = Source({"STRIPE_WEBHOOK_SECRET_FILE": str(file)})
    file.write_text("whsec_old")
    before = config.webhook_secrets(source)

    file.write_text("whsec_new\nwhsec_old")

    assert (before, config.webhook_secrets(source)) == (
        ("whsec_old",),
        ("whsec_new", "whsec_old"),
    )


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("1", True), ("off", False), ("", False)]
)
def test_failpoints_are_off_unless_they_are_asked_for(text: str, value: bool) -> None:
    source = Source({**COMMON, "BOOKPAY_FAILPOINTS": text})

    assert config.common(source, "payments-worker", None).failpoints is value


def test_a_process_without_a_name_is_named_by_its_host_or_by_what_it_is() -> None:
    unnamed = config.common(Source(COMMON), "orders-service", "http")
    hosted = config.common(Source({**COMMON, "HOSTNAME": "pod-7"}), "orders-service", "http")

    assert (unnamed.process, hosted.process) == ("orders-service-http", "pod-7")


def test_a_user_at_kafka_proves_itself_over_tls_alone(tmp_path: Path) -> None:
    authority, password = tmp_path / "ca.crt", tmp_path / "password"
    authority.write_text("a certificate")
    password.write_text("secret\n")
    user = {"KAFKA_USERNAME": "payments-worker", "KAFKA_PASSWORD_FILE": str(password)}
    trust = {"KAFKA_CA_FILE": str(authority)}

    nobody = config.kafka_security(Source({}))
    trusting = config.kafka_security(Source(trust))
    known = config.kafka_security(Source({**user, **trust}))

    assert nobody == {}
    assert trusting == {"security.protocol": "SSL", "ssl.ca.location": str(authority)}
    assert known == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "payments-worker",
        "sasl.password": "secret",
        "ssl.ca.location": str(authority),
    }


def test_the_dsn_may_be_a_file_as_any_secret(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("postgresql://user:secret@host/db\n")

    dsn = config.dsn(Source({"DB_DSN_FILE": str(file)}))

    assert dsn == "postgresql://user:secret@host/db"

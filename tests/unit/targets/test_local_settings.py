"""Settings: which source wins, and what is refused before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.targets import settings
from bookpayctl.targets.credentials import LiveKeyError
from bookpayctl.targets.local.options import read_options
from bookpayctl.targets.settings import SettingsError, Value


def resolved(tmp_path: Path, flag: str | None = None, variable: str = "") -> dict[str, Value]:
    environ = {"BOOKPAY_TWIN_LATENCY_MS": variable} if variable else {}
    return settings.resolve({"twin_latency_ms": flag}, environ, tmp_path)


def test_a_flag_beats_a_variable_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    default = resolved(tmp_path)["twin_latency_ms"]
    (tmp_path / "bookpay.toml").write_text("twin_latency_ms = 7\n")
    in_file = resolved(tmp_path)["twin_latency_ms"]
    variable = resolved(tmp_path, variable="8")["twin_latency_ms"]
    flag = resolved(tmp_path, flag="9", variable="8")["twin_latency_ms"]

    assert default == Value("50", "default")
    assert in_file == Value("7", str(tmp_path / "bookpay.toml"))
    assert variable == Value("8", "$BOOKPAY_TWIN_LATENCY_MS")
    assert flag == Value("9", "flag")


def test_an_unknown_setting_in_the_file_is_an_error_that_names_the_known_ones(
    tmp_path: Path,
) -> None:
    (tmp_path / "bookpay.toml").write_text("twin_latency = 7\n")

    with pytest.raises(SettingsError, match=r"unknown settings: twin_latency; known are .*_ms"):
        resolved(tmp_path)


def test_a_suppression_in_the_file_is_no_setting_and_is_looked_at_by_every_command(
    tmp_path: Path,
) -> None:
    file = tmp_path / "bookpay.toml"
    good = '[[check.suppress]]\nid = "BP-O005"\nreason = "disks"\nuntil = 2026-12-31\n'
    file.write_text(f"twin_latency_ms = 7\n{good}")

    value = resolved(tmp_path)["twin_latency_ms"]
    found = settings.suppressions({}, tmp_path)
    file.write_text(good.replace("disks", ""))

    assert value.text == "7"
    assert [one.id for one in found] == ["BP-O005"]
    with pytest.raises(SettingsError, match=r"bookpay.toml: .* has no reason"):
        resolved(tmp_path)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="which does not exist"):
        settings.resolve({}, {"BOOKPAY_CONFIG": str(tmp_path / "none.toml")}, tmp_path)


@pytest.mark.parametrize("name", ["a", "default", "run-7", "0", "a" * 31])
def test_good_environment_names(tmp_path: Path, name: str) -> None:
    assert settings.environment_name(settings.resolve({"name": name}, {}, tmp_path)) == name


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "../a", "a/b", "a.b", "é", "a" * 32, "a\n"])
def test_bad_environment_names_are_refused(tmp_path: Path, name: str) -> None:
    values = {**settings.resolve({}, {}, tmp_path), "name": Value(name, "flag")}

    with pytest.raises(SettingsError, match="must be 1 to 31 of"):
        settings.environment_name(values)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("90s", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("1.5s", 1.5), ("20", 20.0)],
        *[("7d", 604_800.0), ("1d12h", 129_600.0)],
    ],
)
def test_durations_are_written_as_in_go(text: str, seconds: float) -> None:
    assert settings.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["0s", "-1s", "5 m", "soon", "nan", "inf"])
def test_a_deadline_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    values = settings.resolve({"up_timeout": text}, {}, tmp_path)

    with pytest.raises(SettingsError, match="up_timeout"):
        settings.seconds(values, "up_timeout")


@pytest.mark.parametrize("port", ["0", "65536", "80a", "-1", "٣"])
def test_a_webhook_port_outside_the_range_is_refused(tmp_path: Path, port: str) -> None:
    values = settings.resolve({"webhook_port": port}, {}, tmp_path)

    with pytest.raises(SettingsError, match="webhook_port"):
        read_options(values, {})


@pytest.mark.parametrize(
    "dsn", ["postgresql://u:secret@h/d", "postgresql://u@h/d?password=secret", "host=h"]
)
def test_a_dsn_with_a_password_or_of_another_form_is_refused(tmp_path: Path, dsn: str) -> None:
    values = settings.resolve({"dsn": dsn}, {}, tmp_path)

    with pytest.raises(SettingsError) as refusal:
        read_options(values, {})

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("key", ["dsn", "bootstrap_servers", "stripe_api_base"])
@pytest.mark.parametrize("text", ["", " "])
def test_an_existing_server_that_is_typed_as_nothing_is_no_server_of_our_own(
    tmp_path: Path, key: str, text: str
) -> None:
    """`--bootstrap-servers "$KAFKA"` with KAFKA unset means another Kafka than a new one."""
    typed = settings.resolve({key: text}, {}, tmp_path)
    unset = settings.resolve({}, {f"BOOKPAY_{key.upper()}": ""}, tmp_path)

    with pytest.raises(SettingsError, match=f"--{key.replace('_', '-')} is empty"):
        read_options(typed, {})
    assert read_options(unset, {}).kafka_bootstrap_servers is None


def test_a_live_stripe_key_is_refused_without_being_repeated(tmp_path: Path) -> None:
    key = "rk_live" + "_4eC39HqL"
    values = settings.resolve({"stripe_api_base": "http://127.0.0.1:1"}, {}, tmp_path)

    with pytest.raises(LiveKeyError) as refusal:
        read_options(values, {"STRIPE_API_KEY": key, "STRIPE_WEBHOOK_SECRET": "whsec_1"})

    assert key not in str(refusal.value)


def test_an_existing_stripe_needs_its_key_and_its_secret(tmp_path: Path) -> None:
    values = settings.resolve({"stripe_api_base": "http://127.0.0.1:1"}, {}, tmp_path)

    with pytest.raises(SettingsError, match="needs STRIPE_WEBHOOK_SECRET"):
        read_options(values, {"STRIPE_API_KEY": "sk_test_1"})


def test_a_collector_of_traces_that_is_no_address_is_refused(tmp_path: Path) -> None:
    values = settings.resolve({}, {}, tmp_path)
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}

    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        read_options(values, {"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"})
    assert read_options(values, named).otlp_endpoint == "http://127.0.0.1:4318"
    assert read_options(values, {}).otlp_endpoint is None

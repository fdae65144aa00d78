"""From settings with sources to the options of `up`, checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from bookpayctl.clients.kafka_servers import KafkaProof
from bookpayctl.targets import credentials, settings
from bookpayctl.targets.environment import DEBEZIUM
from bookpayctl.targets.local.machine.paths import (
    refuse_in_class_path,
    refuse_unusable,
    refuse_unwritable,
)
from bookpayctl.targets.local.plan import UpOptions
from bookpayctl.targets.local.supervise.programs import OTLP_VARIABLE
from bookpayctl.targets.servers import jars
from bookpayctl.targets.settings import SettingsError, Value

_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

# Servers that may be another's; a flag for one that is empty is a variable that was not set.
_EXISTING: Final = ("dsn", "bootstrap_servers", "stripe_api_base")

# What only has a meaning in a cluster.
_CLUSTER_ONLY: Final = (
    *("context", "overlay", "image", "install_operators", "operator_manifests"),
    *("archive", "kind_cluster", "kind_image", "kind_config"),
)


def read_options(values: Mapping[str, Value], environ: Mapping[str, str]) -> UpOptions:
    """Check every setting of `up`.

    Raises:
        SettingsError: one is wrong; nothing was touched.
        LiveKeyError: the user's Stripe key is a live one.
    """
    settings.refuse_flags(values, _CLUSTER_ONLY, "this machine; it belongs to --on kind or kube")
    _refuse_empty_flags(values)
    dsn = values["dsn"].text or None
    if dsn is not None:
        _check_dsn(dsn)
    stripe_api_base = values["stripe_api_base"].text or None
    _refuse_existing_for_debezium(values)
    return UpOptions(
        name=settings.environment_name(values),
        webhook_port=settings.whole(values, "webhook_port", least=1, most=65_535),
        twin_latency_ms=settings.whole(values, "twin_latency_ms", least=0, most=60_000) or 0,
        webhook_window_seconds=round(settings.seconds(values, "webhook_window")),
        shadow_mode=settings.switch(values, "shadow_mode"),
        failpoints=settings.switch(values, "failpoints"),
        tap=settings.switch(values, "tap"),
        publisher=settings.publisher(values),
        stripe_shared=settings.switch(values, "stripe_shared"),
        log_level=settings.choice(values, "log_level", _LOG_LEVELS),
        timeout_seconds=settings.seconds(values, "up_timeout"),
        dsn=dsn,
        kafka_bootstrap_servers=values["bootstrap_servers"].text or None,
        stripe_api_base=stripe_api_base,
        kafka_proof=_proof(values, environ),
        given_secrets=credentials.brought(environ) if stripe_api_base else {},
        otlp_endpoint=_otlp_endpoint(environ),
    )


def check_paths(root: Path, *, own_broker: bool) -> None:
    """Refuse folders that the programs could not be told; nothing is made.

    Raises:
        PathRefusedError: the message names the path and what is wrong with it.
    """
    elsewhere = "choose another with BOOKPAY_HOME"
    refuse_unusable(root, "the environment's folder", elsewhere)
    refuse_unusable(Path(sys.executable), "this Python", "`make setup` in another folder")
    cache, fix = jars.cache_dir(), f"choose another with {jars.CACHE_VARIABLE}"
    refuse_unusable(cache, "the cache", fix)
    if own_broker:
        refuse_in_class_path(cache, "the cache, where Kafka's jars lie", fix)
    refuse_unwritable(root, "the environment's folder", elsewhere)
    refuse_unwritable(cache, "the cache", fix)


def _proof(values: Mapping[str, Value], environ: Mapping[str, str]) -> KafkaProof:
    """What an existing Kafka is shown; a Kafka of our own asks for nothing."""
    if not values["bootstrap_servers"].text:
        return KafkaProof()
    proof = credentials.brought_for_kafka(environ)
    if proof.certificate_file:
        raise SettingsError(
            "KAFKA_CERTIFICATE_FILE is set, and the services that `up` starts show a name and a"
            " password alone; give KAFKA_USERNAME and KAFKA_PASSWORD_FILE"
        )
    return proof


def _otlp_endpoint(environ: Mapping[str, str]) -> str | None:
    """The collector that the services are told of, checked as they will check it."""
    endpoint = environ.get(OTLP_VARIABLE) or None
    if endpoint and not (
        urlsplit(endpoint).scheme in ("http", "https") and urlsplit(endpoint).hostname
    ):
        raise SettingsError(f"{OTLP_VARIABLE}={endpoint[:80]!r} must be an http(s) URL")
    return endpoint


def _refuse_existing_for_debezium(values: Mapping[str, Value]) -> None:
    """Debezium leaves a slot and topics of its own behind, which only servers of ours forget."""
    if settings.publisher(values) != DEBEZIUM:
        return
    for key in ("dsn", "bootstrap_servers"):
        if values[key].text:
            raise SettingsError(
                f"--publisher {DEBEZIUM} takes PostgreSQL and Kafka of the environment's own, and"
                f" {key} ({values[key].source}) names another's: a slot left on it would keep its"
                " log until its disk is full"
            )


def _refuse_empty_flags(values: Mapping[str, Value]) -> None:
    for key in _EXISTING:
        if values[key].source == settings.FLAG and not values[key].text.strip():
            flag = f"--{key.replace('_', '-')}"
            raise SettingsError(f"{flag} is empty; leave it out for a server of the environment's")


def _check_dsn(dsn: str) -> None:
    parts = urlsplit(dsn)
    if parts.scheme not in ("postgresql", "postgres"):
        raise SettingsError("dsn must be a URI: postgresql://user@host:port/database")
    if parts.password is not None or "password" in parse_qs(parts.query):
        # Arguments and files of settings are read by everybody.
        raise SettingsError("dsn must not hold a password; use ?passfile=/path/of/a/pgpass/file")

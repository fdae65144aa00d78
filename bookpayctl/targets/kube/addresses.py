"""Where each part of the stack is, by the names that the manifests give it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bookpayctl.targets import credentials
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.kube.made_secrets import DatabasePlace
from bookpayctl.targets.kube.options import KubeOptions
from bookpayctl.targets.servers.contents import TENANT_ID

NAMESPACE: Final = "bookstore-platform-payments"
KAFKA_NAMESPACE: Final = "kafka-system"

TWIN: Final = "stripe-twin"
# As the manifests tell it to the twin.
ENDPOINT_URL: Final = "http://payments-webhook-receiver:8080/stripe/webhook"
TWIN_CONTROL_PORT: Final = 9091


def environment_in(
    options: KubeOptions,
    context: str,
    root: Path,
    database: DatabasePlace,
    guest_namespaces: list[str],
) -> Environment:
    """The addresses inside the cluster; a command reaches them by ways of its own.

    Args:
        guest_namespaces: those of others in which the environment has objects, too.
    """
    own_twin = options.stripe_api_base is None

    def url(service: str, port: int = 8080) -> str:
        return f"http://{service}.{NAMESPACE}.svc:{port}"

    passfile = quote(os.fsencode((root / "secrets" / credentials.PASSFILE).absolute()))
    return Environment(
        name=options.name,
        root=root,
        target=options.place.target,
        dsn=(
            f"postgresql://{database.role}@{database.service}.{NAMESPACE}.svc:5432"
            f"/{database.database}?passfile={passfile}"
        ),
        kafka_bootstrap_servers=f"bookstore-platform-kafka-bootstrap.{KAFKA_NAMESPACE}.svc:9092",
        stripe_api_base=options.stripe_api_base or url(TWIN),
        stripe_control_url=url(TWIN, TWIN_CONTROL_PORT) if own_twin else None,
        orders_url=url("orders-service"),
        gateway_url=url("payments-gateway"),
        webhook_url=f"{url('payments-webhook-receiver')}/stripe/webhook",
        mail_dir=root / "mail",
        tenant_id=TENANT_ID,
        processes=(),
        settings={
            "endpoint_url": ENDPOINT_URL,
            "context": context,
            "kubeconfig": options.place.kubeconfig or os.environ.get("KUBECONFIG", ""),
            "namespaces": f"{NAMESPACE},{KAFKA_NAMESPACE}",
            "guest_namespaces": ",".join(guest_namespaces),
            "shadow_mode": "on" if options.shadow_mode else "off",
            "publisher": options.publisher,
            "failpoints": "on" if options.failpoints else "off",
            "stripe_shared": "on" if options.stripe_shared else "off",
            "twin_latency_ms": str(options.twin_latency_ms),
            "webhook_window_seconds": str(options.webhook_window_seconds),
            **options.place.settings,
        },
    )

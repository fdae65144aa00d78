"""The options of `up`: a setting each, so every one can stand in bookpay.toml as well."""

from __future__ import annotations

from typing import Annotated

import typer

WebhookPort = Annotated[
    str | None, typer.Option(metavar="PORT", help="Pin the webhook receiver to this port.")
]
Latency = Annotated[
    str | None, typer.Option(metavar="MS", help="How long the Stripe twin takes for a charge.")
]
Failpoints = Annotated[bool | None, typer.Option(help="Whether drills may arm failpoints.")]
ShadowMode = Annotated[
    bool | None, typer.Option(help="Call Stripe, but act on v1's outcomes only.")
]
Tap = Annotated[
    bool | None,
    typer.Option(help="Record what the gateway says to Stripe, for `check` and `audit`."),
]
Publisher = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="Who publishes the outbox: poll (default), wal or debezium."),
]
Dsn = Annotated[
    str | None, typer.Option(metavar="URI", help="An existing PostgreSQL; no password in it.")
]
BootstrapServers = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="An existing Kafka.")
]
StripeApiBase = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An existing Stripe; its key and secret from STRIPE_API_KEY[_FILE] and"
        " STRIPE_WEBHOOK_SECRET[_FILE].",
    ),
]
Context = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --on kube: the kubeconfig's context.")
]
Overlay = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="In a cluster: one of manifests/overlays, or a path."),
]
Image = Annotated[
    str | None, typer.Option(metavar="REF", help="In a cluster: what every pod runs.")
]
Operators = Annotated[
    str | None,
    typer.Option(
        metavar="WHICH", help="In a cluster: operators that may be installed: none, cnpg or all."
    ),
]
Manifests = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="The operators' files, for a machine without internet."),
]
Archive = Annotated[
    str | None, typer.Option(metavar="F.tar", help="With --on kind: load this image archive.")
]
KindCluster = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --on kind: the cluster's name.")
]
KindImage = Annotated[
    str | None, typer.Option(metavar="REF", help="With --on kind: its node image.")
]
KindConfig = Annotated[
    str | None, typer.Option(metavar="FILE", help="With --on kind: a configuration of kind's.")
]

"""An environment that is a folder and names, for what is decided before anybody is asked."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.targets.environment import Environment


def environment_away(root: Path, *, name: str = "default", target: str = "local") -> Environment:
    """One whose servers are all away: nobody listens at any of its addresses."""
    return Environment(
        name=name,
        root=root,
        target=target,
        dsn="postgresql://nobody@127.0.0.1:1/none",
        kafka_bootstrap_servers="127.0.0.1:1",
        stripe_api_base="http://127.0.0.1:1",
        stripe_control_url=None,
        orders_url="http://127.0.0.1:1",
        gateway_url="http://127.0.0.1:1",
        webhook_url="http://127.0.0.1:1/stripe/webhook",
        mail_dir=root,
        tenant_id="acme-books",
        processes=(),
    )

"""An environment as variables of a shell: the names the services themselves use."""

from __future__ import annotations

from bookpayctl.targets.environment import Environment
from bookpayctl.targets.kafka_files import variables_of


def shell_variables(environment: Environment) -> dict[str, str]:
    """Name -> value. Holds secrets: for the user's own shell, never for a log.

    Raises:
        EnvironmentMissingError: a secret file is gone.
    """
    return {
        "DB_DSN": environment.dsn,
        "KAFKA_BOOTSTRAP_SERVERS": environment.kafka_bootstrap_servers,
        **variables_of(environment.secrets_dir),
        "STRIPE_API_BASE": environment.stripe_api_base,
        "STRIPE_API_KEY": environment.secret("stripe-api-key"),
        "STRIPE_WEBHOOK_SECRET": environment.secret("stripe-webhook-secret"),
        "ORDERS_URL": environment.orders_url,
        "ORDERS_TOKEN": environment.secret("orders-token"),
        "GATEWAY_URL": environment.gateway_url,
        "GATEWAY_TOKEN": environment.secret("gateway-token"),
        "WEBHOOK_URL": environment.webhook_url,
    }

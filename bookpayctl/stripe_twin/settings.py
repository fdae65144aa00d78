"""What a twin is started with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; the ports may be 0 for "any free one".

    Attributes:
        account: the twin's own, which has the endpoint and the first key.
        key_file: API keys of the twin's own account, one per line; without it the first key that is
            used is one.
        endpoint: URL that is to receive events, if any.
        enabled_events: types it receives; `*` is every one.
        secrets: what its deliveries are signed with, newest first; made up if empty.
        secret_file: where the secrets were read, and are read again when it changes.
        schedule: name of the retry schedule in `webhooks.schedule`.
        debit_seconds: virtual time until a bank decides on a debit.
        refund_seconds: virtual time until a refund changes again, for the methods that do.
        dispute_seconds: virtual time until a charge is disputed, for the methods that are; 0 is in
            the same instant, as the CLI's triggers expect.
        search_lag_seconds: virtual age at which an object can be searched.
    """

    data: Path
    port: int = 0
    control_port: int = 0
    host: str = "127.0.0.1"
    # Of this machine, or pod, only: nothing on the control port is authenticated.
    control_host: str = "127.0.0.1"
    account: str = "acct_twin"
    key_file: Path | None = None
    endpoint: str | None = None
    secrets: tuple[str, ...] = ()
    secret_file: Path | None = None
    enabled_events: tuple[str, ...] = ("*",)
    latency_milliseconds: float = 0.0
    schedule: str = "local"
    # Stripe does not publish how long it waits for a receiver's answer; figures on the web have no
    # source.
    webhook_timeout_seconds: float = 10.0
    # Days at a real bank; a drill would rather not advance the clock for each debit.
    debit_seconds: float = 5.0
    refund_seconds: float = 5.0
    dispute_seconds: float = 0.0
    # Stripe says "normally under a minute", so a minute is what a caller must be able to bear.
    search_lag_seconds: float = 60.0


def read_secrets(path: Path) -> tuple[str, ...]:
    """The signing secrets in a file, one per line, newest first.

    Raises:
        ValueError: there is none; an empty secret would make every signature forgeable.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    secrets = tuple(line.strip() for line in lines if line.strip())
    if not secrets:
        raise ValueError(f"{path} holds no secret")
    return secrets

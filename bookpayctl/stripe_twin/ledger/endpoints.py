"""The webhook endpoints of all accounts, as they are now."""

from collections.abc import Mapping
from typing import cast

from bookpayctl.stripe_twin.documents import decode_object
from bookpayctl.stripe_twin.ledger.accounts import Accounts
from bookpayctl.stripe_twin.ledger.store import Ledger
from bookpayctl.stripe_twin.resources.account_objects import WebhookEndpoint, WebhookSecret

# Stripe's limit per account; it also bounds the work per event.
ENDPOINTS_MAX = 16
# How long a rolled secret may go on signing.
# Stripe lets the old secret live for up to a day, and signs once per secret until then.
ROLL_SECONDS_MAX = 24 * 3600.0


class Endpoints:
    """Who wants to hear of which event; a copy in memory of what the ledger holds."""

    def __init__(self, ledger: Ledger, accounts: Accounts) -> None:
        self._accounts = accounts
        self._by_id: dict[str, WebhookEndpoint] = {}
        for (body,) in ledger.select(
            "SELECT body FROM objects WHERE kind = 'webhook_endpoint' ORDER BY n"
        ):
            try:
                self.observe(_sound(decode_object(str(body))))
            # One that nobody can read must not keep the events of all others.
            except ValueError as error:
                ledger.set_aside(f"a webhook endpoint ({str(body)[:60]})", error)

    def observe(self, document: Mapping[str, object]) -> None:
        """An endpoint was made or changed."""
        endpoint = cast(WebhookEndpoint, document)
        if endpoint["status"] == "deleted":
            self._by_id.pop(endpoint["id"], None)
        else:
            self._by_id[endpoint["id"]] = endpoint

    def find(self, endpoint_id: str) -> WebhookEndpoint | None:
        return self._by_id.get(endpoint_id)

    def all(self) -> list[WebhookEndpoint]:
        return list(self._by_id.values())

    def of_account(self, account: str) -> list[WebhookEndpoint]:
        """The endpoints of one account, disabled ones too."""
        return [
            endpoint for endpoint in self._by_id.values() if self.account_of(endpoint) == account
        ]

    def account_of(self, endpoint: WebhookEndpoint) -> str:
        """Whose endpoint it is."""
        owner = cast(Mapping[str, object], endpoint).get("twin_account", self._accounts.own)
        return str(owner)

    def subscribers(self, account: str, event_type: str) -> tuple[str, ...]:
        """Ids of the enabled endpoints that want this type of event of an account.

        An endpoint made with `connect` hears of its owner's connected accounts and of nothing else;
        any other one hears of its owner alone.
        """
        found = [e for e in self.of_account(account) if not e.get("twin_connect", False)]
        platform = self._accounts.platform_of(account)
        if platform is not None:
            found += [e for e in self.of_account(platform) if e.get("twin_connect", False)]
        return tuple(
            endpoint["id"]
            for endpoint in found
            if endpoint["status"] == "enabled"
            and ("*" in endpoint["enabled_events"] or event_type in endpoint["enabled_events"])
        )


def _sound(document: Mapping[str, object]) -> Mapping[str, object]:
    """The endpoint, if it has what every look at it relies on; raises ValueError otherwise."""
    wrong = [n for n, kind in _RELIED_ON.items() if not isinstance(document.get(n), kind)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot be what they are")
    return document


_RELIED_ON: dict[str, type] = {
    **dict.fromkeys(("id", "status", "url"), str),
    **dict.fromkeys(("enabled_events", "twin_secrets"), list),
}


def active_secrets(endpoint: WebhookEndpoint, now: float) -> list[str]:
    """What an endpoint's deliveries are signed with, newest first."""
    return [
        secret["value"]
        for secret in endpoint["twin_secrets"]
        if secret["expires_at"] is None or secret["expires_at"] > now
    ]


def rolled(
    endpoint: WebhookEndpoint, secret: str, *, now: float, keep_old_seconds: float
) -> WebhookEndpoint:
    """The endpoint with a new secret; the old one goes on for a while, at most a day."""
    until = now + min(keep_old_seconds, ROLL_SECONDS_MAX)
    # The newest of the old ones alone: at most two secrets sign at a time.
    old: list[WebhookSecret] = [
        {"value": kept["value"], "expires_at": until}
        for kept in endpoint["twin_secrets"][:1]
        if keep_old_seconds > 0
    ]
    after = endpoint.copy()
    after["twin_secrets"] = [{"value": secret, "expires_at": None}, *old]
    return after

"""The HTTP client that the Stripe SDK sends with: one urllib3 pool for all threads.

It is told where Stripe is and asks nobody else: no proxy of the environment, no retry, no redirect.
What no answer came of is the SDK's `APIConnectionError`, with what urllib3 said as its cause.

Source:
    stripe-python 16, HTTPClient: "Base HTTP client that custom clients can inherit from".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import stripe
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

_NEVER_LEFT: Final = (NewConnectionError, ConnectTimeoutError)


class StripeHttp(stripe.HTTPClient):
    """A pool of connections to one host; safe to share between threads."""

    name = "urllib3"

    def __init__(
        self, base: str, *, connect_seconds: float, read_seconds: float, connections_max: int
    ) -> None:
        """Connect to nobody yet.

        Args:
            base: where Stripe is, as `STRIPE_API_BASE` says it; every request goes there.
            read_seconds: for each read, as the SDK's own clients count it.
            connections_max: as many as there are threads, so that each finds a kept connection.
        """
        super().__init__()
        parts = urlsplit(base)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        tls = {"cert_reqs": "CERT_REQUIRED", "ca_certs": stripe.ca_bundle_path}
        self._pool = urllib3.connection_from_url(
            self._origin,
            timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            maxsize=connections_max,
            block=False,
            **(tls if parts.scheme == "https" else {}),
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[Any, int, Mapping[str, str]]:
        """Send once, and read the whole answer, whatever it is.

        Raises:
            stripe.APIConnectionError: there is none.
        """
        try:
            answer = self._pool.urlopen(
                method.upper(),
                # A key of ours goes nowhere else: the pool has no other host.
                url.removeprefix(self._origin),
                body=post_data,
                headers=headers,
                # A POST that became a GET elsewhere is no answer, and a second one no row knows of.
                redirect=False,
                retries=False,
            )
        except HTTPError as error:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                f"no answer from Stripe: {type(error).__name__}", should_retry=False
            ) from error
        return answer.data, answer.status, answer.headers

    def close(self) -> None:
        self._pool.close()


def refused_before_sending(error: stripe.StripeError) -> bool:
    """Whether no connection was made at all, so that Stripe cannot have seen the request."""
    return isinstance(error.__cause__, _NEVER_LEFT)

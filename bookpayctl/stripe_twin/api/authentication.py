"""Who calls: test keys only, so that real credentials are never of use here."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bookpayctl.stripe_twin.errors import ApiError, invalid
from bookpayctl.stripe_twin.resources import API_VERSION

_TEST_KEY = re.compile(r"(sk|rk)_test_[A-Za-z0-9_]{1,250}")
# A date, since the first named release with the name of one, and perhaps previews asked for.
_VERSION = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.([a-z]+))?(?:;.{1,200})?")
_RELEASES = ("acacia", "basil", "clover", "dahlia", "endive", "preview")
_FIRST_VERSION = date(2011, 1, 1)
_FIRST_NAMED_VERSION = date(2024, 9, 30)
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """The account a request acts for."""

    account: str


def _unauthorized(message: str, code: str | None = None) -> ApiError:
    return ApiError(401, "invalid_request_error", message, code=code)


def authenticate(headers: Mapping[str, str], default_account: str) -> ApiCaller:
    """Find the account; every test key belongs to the twin's one, `Stripe-Account` names others.

    Raises:
        ApiError: 401; the message never repeats a key.
    """
    key = _api_key(headers.get("authorization", ""))
    if key is None:
        raise _unauthorized(
            "You did not provide an API key. Send one as a bearer token, for example "
            "'Authorization: Bearer sk_test_...'."
        )
    # A publishable key is meant for browsers, and a frequent mistake in a server's settings.
    if key.startswith("pk_"):
        raise _unauthorized(
            "A publishable key cannot make this call. Use a secret test key.",
            "secret_key_required",
        )
    # Before the pattern, so that whoever points production at a test double is told so and not that
    # the key is misspelt.
    if "_live_" in key:
        raise _unauthorized(
            "This is a test double: it refuses live keys. Use a key that starts with sk_test_."
        )
    if not _TEST_KEY.fullmatch(key):
        raise _unauthorized("Invalid API Key provided.")
    # Connected accounts need no registration here: a name is enough, because what is tested with
    # them is that accounts do not see each other's keys and objects.
    account = headers.get("stripe-account")
    if account is None:
        return ApiCaller(default_account)
    if not _ACCOUNT.fullmatch(account):
        raise ApiError(403, "invalid_request_error", "No such account.", code="account_invalid")
    return ApiCaller(account)


def check_version(headers: Mapping[str, str], now: float) -> None:
    """Raise the 400 for a Stripe-Version that there is not; every other gets the same shapes.

    Args:
        headers: of the request.
        now: seconds since the epoch; no version is of a day that has not come.
    """
    # The shapes of one version are played to all: what differs between versions is not what drills
    # of payments are about.
    version = headers.get("stripe-version")
    if version is not None and not _is_version(version, datetime.fromtimestamp(now, UTC).date()):
        raise invalid(f"Invalid Stripe API version: {version}")


def _is_version(version: str, today: date) -> bool:
    found = _VERSION.fullmatch(version)
    if found is None:
        return False
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return False
    if not _FIRST_VERSION <= day <= max(today, date.fromisoformat(API_VERSION.partition(".")[0])):
        return False
    return found[2] in _RELEASES if day >= _FIRST_NAMED_VERSION else found[2] is None


def _api_key(header: str) -> str | None:
    scheme, _, credentials = header.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials or None
    # The other way Stripe documents: the key as the user name, with an empty password. curl -u and
    # old libraries send it.
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return decoded.partition(":")[0] or None
    return None

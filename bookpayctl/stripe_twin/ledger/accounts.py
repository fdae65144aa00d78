"""Whose account a key belongs to, and which accounts belong to which.

Every key has an account, and keys that share the part that names it share the account: what stands
between `_test_` and the next `_`, or Stripe's own form (`51` and the account's letters). The first
such part that is ever used belongs to the twin's own account, the one with the endpoint it was
started with, so that a twin with one key needs no setting; every other one has an account of its
own. Keys in the file that the twin was started with belong to its own account whoever comes first,
and the operator may say of any key whose it is, and what it may do.

Connected accounts belong to a platform, whose keys may act in them. Keys are kept as digests.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bookpayctl.stripe_twin.documents import decode_object, encode
from bookpayctl.stripe_twin.ledger import schema
from bookpayctl.stripe_twin.ledger.store import Ledger

# The platform of accounts that were only a name in a header, in ledgers that kept no others.
_OF_THE_TWINS_OWN = "*"
_OWNER_SETTING = "own_account_key_part"
_PART = re.compile(r"(?:sk|rk)_test_(?P<stripes>51[A-Za-z0-9]{15})?(?P<named>[^_]*)(?P<more>_)?")
# Parts that can stand in an id as they are; of a key without a second part nothing may be shown.
_SHOWABLE = re.compile(r"[A-Za-z0-9]{1,40}")
# Resolved keys kept at hand; a client has one or two.
_REMEMBERED_MAX = 1_000
log = logging.getLogger("stripe_twin.accounts")


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a key stands for.

    Attributes:
        permissions: Stripe's names (`rak_charge_read`); None is everything.
        expired: it was revoked.
    """

    account: str
    permissions: frozenset[str] | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account that a platform made; `said` is what was said of it."""

    account: str
    platform: str
    created: int
    said: Mapping[str, object]


class Accounts:
    """The accounts of a twin and their keys; a copy in memory of what the ledger holds."""

    def __init__(self, ledger: Ledger, own: str, key_file: Path | None = None) -> None:
        """Read what is known.

        Raises:
            OSError: the key file cannot be read.
        """
        self.own = own
        self._ledger = ledger
        self._key_file = key_file
        self._platforms: dict[str, str | None] = {own: None}
        self._connected: dict[str, ConnectedAccount] = {}
        self._grants: dict[str, KeyGrant] = {}
        self._resolved: dict[str, KeyGrant] = {}
        self._own_parts: set[str] = set()
        self._read_key_file()
        for account, platform, created, body in ledger.select(
            "SELECT id, platform, created, body FROM accounts ORDER BY created, id"
        ):
            self._take_in(str(account), _text(platform), int(created or 0), str(body))
        for digest, account, permissions, state in ledger.select(
            "SELECT key_sha256, account, permissions, state FROM api_keys"
        ):
            self._grants[str(digest)] = KeyGrant(
                str(account),
                None if permissions is None else frozenset(str(permissions).split(",")),
                state == "expired",
            )
        rows = ledger.select("SELECT value FROM settings WHERE name = ?", (_OWNER_SETTING,))
        self._owner = str(rows[0][0]) if rows else None

    def of_key(self, key: str, now: float) -> KeyGrant:
        """Whose a key is; a key that was never seen gets an account in the coming transaction."""
        found = self._resolved.get(key)
        if found is None:
            found = self._resolve(key, now)
            if len(self._resolved) >= _REMEMBERED_MAX:
                self._resolved.clear()
            self._resolved[key] = found
        return found

    def platform_of(self, account: str) -> str | None:
        """The platform of a connected account; None for an account with keys of its own."""
        return self._platforms.get(account)

    def may_act_in(self, caller: str, account: str) -> bool:
        """Whether the keys of one account may act in another."""
        return account == caller or self._platforms.get(account) == caller

    def connected_to(self, platform: str) -> list[ConnectedAccount]:
        """The accounts of a platform, oldest first."""
        return [found for found in self._connected.values() if found.platform == platform]

    def find_connected(self, account: str) -> ConnectedAccount | None:
        return self._connected.get(account)

    def knows(self, account: str) -> bool:
        return account in self._platforms

    def listed(self) -> list[dict[str, object]]:
        """All accounts and their platforms, as the operator sees them."""
        return [
            {"account": account, "platform": platform}
            for account, platform in self._platforms.items()
        ]

    def connect(self, made: ConnectedAccount) -> None:
        """Keep a connected account; its row is written by who calls."""
        self._platforms[made.account] = made.platform
        self._connected[made.account] = made

    def grant(self, key: str, grant: KeyGrant) -> None:
        """Say whose a key is and what it may do, from now on and after a restart."""
        permissions = None if grant.permissions is None else ",".join(sorted(grant.permissions))
        state = "expired" if grant.expired else "active"
        row = (_digest(key), grant.account, permissions, state)
        self._ledger.put(schema.PUT_API_KEY, row)
        self._grants[_digest(key)] = grant
        self._resolved.pop(key, None)

    def _resolve(self, key: str, now: float) -> KeyGrant:
        told = self._grants.get(_digest(key))
        if told is not None:
            return told
        part, shown = _parts(key)
        if self._is_in_key_file(part):
            return KeyGrant(self.own)
        if self._owner == _digest(part):
            return KeyGrant(self.own)
        free = self._owner is None and self._key_file is None
        if shown == self.own or (free and not self.knows(shown)):
            # Once somebody has come, whoever comes later is somebody else.
            if free:
                self._owner = _digest(part)
                self._ledger.put(schema.PUT_SETTING, (_OWNER_SETTING, self._owner))
            return KeyGrant(self.own)
        if not self.knows(shown):
            self._platforms[shown] = None
            self._ledger.put(schema.PUT_ACCOUNT, (shown, None, int(now), "{}"))
        return KeyGrant(shown)

    def _read_key_file(self) -> None:
        if self._key_file is not None:
            lines = self._key_file.read_text(encoding="utf-8").splitlines()
            self._own_parts = {_parts(line.strip())[0] for line in lines if line.strip()}

    def _is_in_key_file(self, part: str) -> bool:
        if part in self._own_parts:
            return True
        try:
            # Anew for every part that is not known: a file that was rolled needs no restart.
            self._read_key_file()
        except OSError as error:
            log.warning("the keys stay what they were: %s", error)
        return part in self._own_parts

    def _take_in(self, account: str, platform: str | None, created: int, body: str) -> None:
        if account == self.own:
            return
        if platform == _OF_THE_TWINS_OWN:
            platform = self.own
        self._platforms[account] = platform
        if platform is not None:
            said = decode_object(body)
            self._connected[account] = ConnectedAccount(account, platform, created, said)


def row_of(made: ConnectedAccount) -> tuple[str, str, int, str]:
    """The row for the ledger, in the order of `schema.PUT_ACCOUNT`."""
    return (made.account, made.platform, made.created, encode(made.said))


def _parts(key: str) -> tuple[str, str]:
    """What names the account in a key, and the id of the account that it names."""
    found = _PART.match(key)
    if found is None:
        return key, f"acct_{_digest(key)[:16]}"
    stripes: str | None = found["stripes"]
    if stripes is not None:
        return stripes, f"acct_{stripes[1:]}"
    part: str = found["named"]
    # Without a second part the first one is the secret, and an id is no place for it.
    if found["more"] is None or not _SHOWABLE.fullmatch(part):
        return part, f"acct_{_digest(part)[:16]}"
    return part, f"acct_{part}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

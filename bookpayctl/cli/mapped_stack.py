"""A mapping's file as a stack that can be asked; what is wrong with it ends the command, exit 2."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bookpayctl.cli.output import fail
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.judge.stacks.mapped import MappedStack, Scope

SALT_FILE: Final = "redaction-salt"

SIZE_MAX_BYTES: Final = 1 << 20
"""A mapping is written by a person; what is larger is another file."""


def stack_of(
    path: Path,
    *,
    scope: Scope | None = None,
    with_stripe: bool = True,
    read_only_live: bool = False,
    redact: bool = False,
) -> MappedStack:
    """The stack that a mapping describes; exit 2 when it is none, exit 6 for a live key.

    Args:
        with_stripe: whether Stripe is to be asked, so that its key is needed.
        read_only_live: whether a restricted live key is taken, to read by it.
        redact: whether what may name a customer is kept as digests alone.
    """
    from bookpayctl.clients.stripe_api import why_refused
    from bookpayctl.judge.mapping.access import (
        dsn_of,
        kafka_servers_of,
        registry_of,
        stripe_key_of,
    )
    from bookpayctl.judge.mapping.document import MappingError
    from bookpayctl.judge.mapping.loading import mapping_of
    from bookpayctl.judge.stacks.mapped import MappedStack, Scope
    from bookpayctl.targets.environment import environments_dir

    try:
        with path.open("rb") as file:
            text = file.read(SIZE_MAX_BYTES + 1)
        if len(text) > SIZE_MAX_BYTES:
            fail(f"{path} is too large for a mapping", ExitCode.USAGE)
        mapping = mapping_of(text.decode())
        key = None
        if mapping.stripe is not None and with_stripe:
            key = stripe_key_of(mapping.stripe, os.environ)
            why = why_refused(mapping.stripe.api_base, key, read_only_live=read_only_live)
            if why is not None:
                fail(f"{path}: stripe: {why}", ExitCode.REFUSED, reason="live_key")
        dsn = dsn_of(mapping.database, os.environ)
        registry = registry_of(mapping.kafka, os.environ) if mapping.kafka else None
        kafka = kafka_servers_of(mapping.kafka, os.environ) if mapping.kafka else None
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--mapping {path} cannot be read: {error}", ExitCode.USAGE)
    except MappingError as error:
        wrong_mapping(path, error)
    # No environment can be called so: the underscore is none of its letters.
    runs_dir = environments_dir().absolute() / "mapped_stacks" / mapping.name / "runs"
    return MappedStack(
        mapping,
        dsn,
        key,
        runs_dir,
        scope=scope or Scope(),
        kafka=kafka,
        registry=registry,
        read_only_live=read_only_live,
        salt=_salt(runs_dir.parent / SALT_FILE) if redact else None,
    )


def _salt(path: Path) -> str:
    """The stack's own salt, made when it is first asked for; exit 3 where it cannot be kept."""
    from bookpayctl.runs.files import SECRET, write_atomically

    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, secrets.token_hex(16), mode=SECRET)
        found = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"the salt of the digests cannot be kept in {path}: {error}", ExitCode.UNKNOWN)
    if not found or not set(found) <= set(string.hexdigits):
        fail(f"{path} is no salt: hexadecimal digits", ExitCode.UNKNOWN)
    return found


def wrong_mapping(path: Path, error: Exception) -> NoReturn:
    """End the command: the mapping is wrong, or does not fit its database."""
    fail(f"{path}: {error}", ExitCode.USAGE, reason="wrong_mapping")

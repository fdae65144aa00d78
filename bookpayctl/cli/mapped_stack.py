"""A mapping's file as a stack that can be asked; what is wrong with it ends the command, exit 2."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bookpayctl.cli.output import fail
from bookpayctl.report.exit_code import ExitCode

if TYPE_CHECKING:
    from bookpayctl.judge.stacks.mapped import MappedStack, Scope

SIZE_MAX_BYTES: Final = 1 << 20
"""A mapping is written by a person; what is larger is another file."""


def stack_of(
    path: Path,
    *,
    scope: Scope | None = None,
    with_stripe: bool = True,
    read_only_live: bool = False,
) -> MappedStack:
    """The stack that a mapping describes; exit 2 when it is none, exit 6 for a live key.

    Args:
        with_stripe: whether Stripe is to be asked, so that its key is needed.
        read_only_live: whether a restricted live key is taken, to read by it.
    """
    from bookpayctl.clients.stripe_api import why_refused
    from bookpayctl.judge.mapping.access import dsn_of, kafka_properties_of, stripe_key_of
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
        properties = kafka_properties_of(mapping.kafka) if mapping.kafka else {}
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
        kafka_properties=properties,
        read_only_live=read_only_live,
    )


def wrong_mapping(path: Path, error: Exception) -> NoReturn:
    """End the command: the mapping is wrong, or does not fit its database."""
    fail(f"{path}: {error}", ExitCode.USAGE, reason="wrong_mapping")

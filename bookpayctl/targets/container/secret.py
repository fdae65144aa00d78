"""Secrets come in files, mounted beside the program; no argument and no message holds one."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError


class SecretError(TargetError):
    """A file that should hold a secret does not; the message names the file."""

    code = ExitCode.USAGE
    reason = "no_secret"


def read_secret(path: Path) -> str:
    """The text of the file without the white space around it.

    Raises:
        SecretError: it cannot be read, is not UTF-8 or holds nothing.
    """
    try:
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SecretError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not chained: the error's own text would quote bytes of the secret.
        raise SecretError(f"{path} is not UTF-8 text") from None
    if not value:
        raise SecretError(f"{path} is empty")
    return value

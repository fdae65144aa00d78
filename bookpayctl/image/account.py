"""The user that everything in the image runs as. Pure."""

from __future__ import annotations

from typing import Final

NAME: Final = "bookpay"
UID: Final = 10001


def with_user(passwd: str) -> str:
    """The base's /etc/passwd with our user; PostgreSQL refuses to run as one that is not there."""
    return _with(passwd, f"{NAME}:x:{UID}:{UID}:bookpay:/tmp:/usr/sbin/nologin")


def with_group(group: str) -> str:
    return _with(group, f"{NAME}:x:{UID}:")


def _with(text: str, line: str) -> str:
    """Its lines, without one of our name or number, and ours as the last."""
    kept = [
        other
        for other in text.splitlines()
        if other and other.split(":")[0] != NAME and other.split(":")[2:3] != [str(UID)]
    ]
    return "".join(f"{each}\n" for each in (*kept, line))

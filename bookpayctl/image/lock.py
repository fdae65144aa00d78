"""Which lines of the lock an image needs. Pure.

pip judges an environment marker by the Python it runs in, which is this machine's and not the
image's. So they are judged here, and pip gets the lines that are left, without markers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_PIN: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?==(?P<version>[^\s;]+)"
    r"(?:\s*;\s*(?P<marker>.+))?"
)
_HASH: Final = re.compile(r"\s--hash=sha256:([0-9a-f]{64})")
_CLAUSE: Final = re.compile(r"(\w+) (==|!=|<=|>=|<|>) '([^']*)'")


class LockError(ValueError):
    """The lock holds a line that cannot be judged; the message quotes it."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One distribution at one version.

    Attributes:
        hashes: sha256 digests in hex, one of which what is fetched must have.
    """

    name: str
    version: str
    hashes: tuple[str, ...]

    def line(self) -> str:
        """As pip reads it."""
        return f"{self.name}=={self.version}" + "".join(f" --hash=sha256:{h}" for h in self.hashes)


def marker_values(python: str, machine: str) -> dict[str, str]:
    """What markers ask about, of a Linux image with this Python (`3.12`) and machine (`x86_64`)."""
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_version": python,
        # The lock is made for releases, not for patches: between those no package differs.
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
    }


def pins(text: str, values: Mapping[str, str]) -> list[Pin]:
    """The pins that apply where markers have these values, by name.

    Raises:
        LockError: a line is no pin, has no hash, or a marker that nobody here understands.
    """
    found = []
    for line in _logical_lines(text):
        match = _PIN.fullmatch(line.split(" --hash")[0].strip())
        if match is None:
            raise LockError(f"not a pinned distribution: {line[:80]!r}")
        if match["marker"] and not applies(match["marker"].strip(), values):
            continue
        hashes = tuple(_HASH.findall(line))
        if not hashes:
            raise LockError(f"{match['name']} has no sha256 hash")
        found.append(Pin(match["name"], match["version"], hashes))
    return sorted(found, key=lambda pin: pin.name)


def applies(marker: str, values: Mapping[str, str]) -> bool:
    """Whether a marker without parentheses holds, as resolvers write them.

    Raises:
        LockError: it is of another form, or asks about what is not known.
    """
    return any(
        all(_holds(clause.strip(), values) for clause in choice.split(" and "))
        for choice in marker.split(" or ")
    )


def _holds(clause: str, values: Mapping[str, str]) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if match is None or match[1] not in values:
        raise LockError(f"a marker that is not understood: {clause!r}")
    name, operator, wanted = match.groups()
    value = values[name]
    if operator in {"==", "!="} and not name.startswith("python"):
        return (value == wanted) is (operator == "==")
    ours, theirs = _version(value, clause), _version(wanted, clause)
    width = max(len(ours), len(theirs))
    ours, theirs = (v + (0,) * (width - len(v)) for v in (ours, theirs))
    return {
        "==": ours == theirs,
        "!=": ours != theirs,
        "<": ours < theirs,
        "<=": ours <= theirs,
        ">": ours > theirs,
        ">=": ours >= theirs,
    }[operator]


def _version(text: str, clause: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        raise LockError(f"a marker that is not understood: {clause!r}")
    return tuple(int(part) for part in text.split("."))


def _logical_lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        bare = line.split(" #")[0].strip()
        if bare and not bare.startswith("#"):
            yield bare

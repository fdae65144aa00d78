"""What a folder of ledgers is made of: rows, times, sources, and a SHA-256 for each file.

The manifest is written last. Whoever judges again holds every file against it first: a file that
was edited, one that is missing, and one that nobody wrote down are told, never judged.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bookpayctl.judge.ledgers.store import SUFFIX, LedgerConnection
from bookpayctl.judge.ledgers.tables import TIMESTAMP, tables
from bookpayctl.runs.files import write_atomically

FILE: Final = "manifest.json"
VERSION: Final = 1
CHUNK_BYTES: Final = 1 << 20


class ManifestError(ValueError):
    """There is no manifest, or none that is understood; the message says which."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A folder's contents as they were written.

    Attributes:
        rules_sha256: of the rules, and of the schema, that it was judged with.
        sources: what was read, and by what, in words: name to version.
        tables: for each file's table `rows`, `bytes`, `sha256`, and `from` and `to` where it has
            times.
    """

    rules_sha256: str
    sources: dict[str, str]
    tables: dict[str, dict[str, Any]]


def write_manifest(
    connection: LedgerConnection,
    folder: Path,
    path: Path,
    *,
    rules_sha256: str,
    sources: dict[str, str],
) -> Manifest:
    """Write down what is in the folder; its tables are open.

    Raises:
        OSError, StoreError: it could not be read, or not be written.
    """
    found = {
        name: _described(connection, name, folder / f"{name}{SUFFIX}")
        for name in tables()
        if (folder / f"{name}{SUFFIX}").is_file()
    }
    manifest = Manifest(rules_sha256, sources, found)
    document = {"version": VERSION, "rules_sha256": rules_sha256, "sources": sources}
    write_atomically(path, json.dumps({**document, "tables": found}, indent=2))
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        ManifestError: it is not there, or not of a version that is known.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["version"]
        if version != VERSION:
            raise ManifestError(f"{path} is of version {version}; this tool reads {VERSION}")
        return Manifest(document["rules_sha256"], document["sources"], document["tables"])
    except FileNotFoundError as error:
        raise ManifestError(f"{path} is not there: nothing says what was recorded") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path} is no manifest: {error}") from error


def differences(manifest: Manifest, folder: Path) -> list[str]:
    """Where the folder is not as the manifest says, one sentence each; empty when it is."""
    found = []
    for name, table in sorted(manifest.tables.items()):
        path = folder / f"{name}{SUFFIX}"
        if not path.is_file():
            found.append(f"{path.name} is missing; it had {table['rows']} rows")
        elif sha256_of(path) != table["sha256"]:
            found.append(f"{path.name} is not the file that was written down")
    known = {f"{name}{SUFFIX}" for name in manifest.tables}
    extra = sorted(p.name for p in folder.glob(f"*{SUFFIX}") if p.name not in known)
    return [*found, *(f"{name} was written down by nobody" for name in extra)]


def sha256_of(path: Path) -> str:
    """The file's SHA-256, hexadecimal; read in parts."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(CHUNK_BYTES):
            hashed.update(part)
    return hashed.hexdigest()


def _described(connection: LedgerConnection, name: str, path: Path) -> dict[str, Any]:
    times = [column.name for column in tables()[name].columns if column.type == TIMESTAMP]
    asked = ", ".join(f"MIN({time}), MAX({time})" for time in times[:1])
    counted = ", ".join(["COUNT(*)", *([asked] if asked else [])])
    row = connection.execute(f"SELECT {counted} FROM {name}").fetchone()
    rows, *span = row or (0,)
    described = {"rows": rows, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if span and span[0] is not None:
        described |= {"from": span[0].isoformat(), "to": span[1].isoformat()}
    return described

"""Layers that were written before: kept beside the jars, found by what decides their bytes.

A layer that is there is read whole and believed only when its digest is the one written down with
it. Only one build at a time works here; what a build that died left is removed by the next.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.image.layer import Layer, digest_of
from bookpayctl.image.materials import Material

_STAGING: Final = ".building-"

# Raise it when layers of the same inputs are to be written otherwise.
_FORM: Final = "1"


@dataclass(frozen=True, slots=True)
class Stored:
    """A layer with what of others it holds, for the list of materials."""

    layer: Layer
    materials: tuple[Material, ...]


class LayerStore:
    """The folder of kept layers, held by this process while it builds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder for what is needed on the way; gone afterwards."""
        with tempfile.TemporaryDirectory(prefix=_STAGING, dir=self._folder) as folder:
            yield Path(folder)

    def layer(
        self,
        kind: str,
        inputs: Sequence[str],
        write: Callable[[Path], tuple[Layer, tuple[Material, ...]]],
    ) -> Stored:
        """The layer of these inputs: the kept one, else the one that `write` writes.

        Args:
            kind: its name, one word.
            inputs: everything that decides its bytes.
            write: writes it to the path it is given.
        """
        digest = hashlib.sha256("\0".join((_FORM, kind, *inputs)).encode()).hexdigest()
        path = self._folder / f"{kind}-{digest[:16]}.tar"
        kept = _kept(path)
        if kept is not None:
            return kept
        with self.staging() as staging:
            layer, materials = write(staging / path.name)
            layer.path.replace(path)
        layer = Layer(layer.diff_id, layer.size_bytes, path)
        # Written last: a layer without it counts as not there.
        _note(path).write_text(
            json.dumps(
                {
                    "diff_id": layer.diff_id,
                    "materials": [material.as_record() for material in materials],
                }
            )
        )
        self._forget_older(kind, path)
        return Stored(layer, materials)

    def _forget_older(self, kind: str, newest: Path, *, keep: int = 3) -> None:
        """Of each kind the last few are kept: for two checkouts, or a step back."""
        others = sorted(
            (path for path in self._folder.glob(f"{kind}-*.tar") if path != newest),
            key=lambda path: path.stat().st_mtime_ns,
        )
        for path in others[: max(0, len(others) - keep + 1)]:
            _note(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


@contextmanager
def opened_store(folder: Path) -> Iterator[LayerStore]:
    """The store in `folder`, which is made; waits for another build to end.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Whoever made these is dead: we hold the lock.
        for leftover in folder.glob(f"{_STAGING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield LayerStore(folder)


def _kept(path: Path) -> Stored | None:
    try:
        note = json.loads(_note(path).read_text())
        diff_id = note["diff_id"]
        materials = tuple(Material.from_record(record) for record in note["materials"])
        if digest_of(path) != diff_id:
            return None
        return Stored(Layer(diff_id, path.stat().st_size, path), materials)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _note(path: Path) -> Path:
    return path.with_suffix(".json")

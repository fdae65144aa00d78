"""Small base images, as `docker save` writes them, with nothing in them that could run."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any, Final

PYTHON: Final = "3.12"
FILES: Final[dict[str, bytes]] = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/bash\n",
    "etc/group": b"root:x:0:\n",
    "lib/x86_64-linux-gnu/libc.so.6": b"\0GNU C Library (Debian) stable release version 2.36.\n\0",
    f"usr/local/lib/python{PYTHON}/os.py": b"",
}


def layer_of(files: dict[str, bytes]) -> bytes:
    """A layer with these files, and the folders that they lie in."""
    out = io.BytesIO()
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in sorted(folders):
            member = tarfile.TarInfo(f"./{folder}")
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for path, content in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def config_of(layers: list[bytes], **changed: Any) -> dict[str, Any]:
    """The description of an image with these layers."""
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        **changed,
    }


def write_base(path: Path, *more: dict[str, bytes], python: str = PYTHON, **changed: Any) -> Path:
    """Write a base with a Python that cannot run, and a layer for each of `more`.

    Args:
        changed: fields of the description that are otherwise.
    """
    own = {name.replace(PYTHON, python): content for name, content in FILES.items()}
    layers = [layer_of(files) for files in (own, *more)]
    return write_members(
        path, layers, {"config.json": json.dumps(config_of(layers, **changed)).encode()}
    )


def write_members(path: Path, layers: list[bytes], others: dict[str, bytes]) -> Path:
    """Write layers and other members as the archive of an image called `python:slim`."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": ["python:slim"], "Layers": names}]
    members = {
        **dict(zip(names, layers, strict=True)),
        "manifest.json": json.dumps(manifest).encode(),
        **others,
    }
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path

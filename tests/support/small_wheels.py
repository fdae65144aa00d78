"""A wheel of two files and a lock that pins it, for builds that fetch nothing."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Final

_FILES: Final = {
    "ant/__init__.py": "NAMES = {'red', 'black', 'fire'}\n",
    "ant/größe.py": "SIZE = 1\n",
    "ant/templates/model.py": "class {{ name }}:\n",
    "ant-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Ant\nVersion: 1.0\n",
    "ant-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "ant-1.0.dist-info/entry_points.txt": "[console_scripts]\nant = ant:main\n",
}


def write_wheel(folder: Path) -> tuple[Path, Path]:
    """Write `ant-1.0-py3-none-any.whl`, and the lock beside it; returns both."""
    wheel, lock = folder / "ant-1.0-py3-none-any.whl", folder / "requirements.lock"
    record = "".join(f"{name},,\n" for name in _FILES) + "ant-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**_FILES, "ant-1.0.dist-info/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(f"ant==1.0 \\\n    --hash=sha256:{digest}\n")
    return wheel, lock


def offline(folder: Path) -> dict[str, str]:
    """Variables with which pip knows nothing but the wheels of this folder."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_NO_CACHE_DIR": "1"}

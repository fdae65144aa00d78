"""Platforms of images, and the wheels that run on them."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import Final

from bookpayctl.image.errors import ImageError

# As Go, and so every image, calls a machine, and as Python's wheels call it.
_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}

# The oldest glibc that wheels of a machine can ask for (PEP 513, PEP 599).
_OLDEST_GLIBC: Final = {"x86_64": 5, "aarch64": 17}
_NAMED_GLIBC: Final = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


@dataclass(frozen=True, slots=True)
class ImagePlatform:
    """`linux/amd64` or `linux/arm64`."""

    architecture: str

    @property
    def machine(self) -> str:
        """As in the names of wheels."""
        return _MACHINES[self.architecture]

    def __str__(self) -> str:
        return f"linux/{self.architecture}"


def platform_named(text: str) -> ImagePlatform:
    """Read `linux/amd64`.

    Raises:
        ImageError: no wheel is made for it.
    """
    match = re.fullmatch(r"linux/(\w+)(/v8)?", text)
    if match is None or match[1] not in _MACHINES:
        known = " and ".join(f"linux/{name}" for name in _MACHINES)
        raise ImageError(f"no image can be made for platform {text!r}; there are {known}")
    return ImagePlatform(match[1])


def platform_here() -> ImagePlatform:
    """Of this machine.

    Raises:
        ImageError: no image is made for it.
    """
    machine = platform.machine()
    names = {"arm64": "arm64", **{wheels: go for go, wheels in _MACHINES.items()}}
    return platform_named(f"linux/{names.get(machine, machine)}")


def wheel_platforms(machine: str, glibc_minor: int) -> list[str]:
    """ImagePlatform tags of the wheels that run with glibc 2.`glibc_minor`, the newest first.

    Source:
        PEP 600, manylinux_2_N: it works wherever glibc is 2.N or newer.
    """
    tags = []
    for minor in range(glibc_minor, _OLDEST_GLIBC[machine] - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in _NAMED_GLIBC:
            tags.append(f"{_NAMED_GLIBC[minor]}_{machine}")
    return [*tags, f"linux_{machine}"]

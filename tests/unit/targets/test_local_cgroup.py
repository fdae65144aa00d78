"""Limits of containers, in both generations of cgroups."""

from __future__ import annotations

from pathlib import Path

from bookpayctl.targets.local.machine import cgroup


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_no_cgroup_means_no_limit(tmp_path: Path) -> None:
    assert cgroup.memory_available_bytes(tmp_path) is None
    assert cgroup.processors(tmp_path) is None
    assert cgroup.tasks_available(tmp_path) is None


def test_a_cgroup_without_limits_means_no_limit(tmp_path: Path) -> None:
    write(tmp_path, memory_dot_max="max", memory_dot_current="5", cpu_dot_max="max 100000")
    write(tmp_path, pids_dot_max="max", pids_dot_current="9")

    assert cgroup.memory_available_bytes(tmp_path) is None
    assert cgroup.processors(tmp_path) is None
    assert cgroup.tasks_available(tmp_path) is None


def test_the_second_generation(tmp_path: Path) -> None:
    write(tmp_path, memory_dot_max="1000", memory_dot_current="700")
    write(tmp_path, memory_dot_stat="anon 500\nfile 200", cpu_dot_max="150000 100000")
    write(tmp_path, pids_dot_max="100", pids_dot_current="40")

    assert cgroup.memory_available_bytes(tmp_path) == 500
    assert cgroup.processors(tmp_path) == 1.5
    assert cgroup.tasks_available(tmp_path) == 60


def test_the_first_generation(tmp_path: Path) -> None:
    memory = {"memory__memory_dot_limit_in_bytes": "1000", "memory__memory_dot_stat": "cache 1"}
    write(tmp_path, memory__memory_dot_usage_in_bytes="700", **memory)
    write(tmp_path, cpu__cpu_dot_cfs_quota_us="-1", cpu__cpu_dot_cfs_period_us="100000")

    assert cgroup.memory_available_bytes(tmp_path) == 300
    assert cgroup.processors(tmp_path) is None

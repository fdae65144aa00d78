"""A child of the tool gets what the tool made for it, and nothing that the shell exported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A child is started as the tool starts one, by a parent that inherited everything below.
PARENT = """
import subprocess, sys
from bookpayctl.targets import children

shown = [*children.python_module("json.tool", "--help")]
assert shown[1:3] == ["-P", "-s"], shown
ask = "import os, json, sys; print(json.dumps([dict(os.environ), sys.flags.optimize, sys.path]))"
command = [sys.executable, *shown[1:3], "-c", ask]
sys.stdout.flush()
subprocess.run(command, env=children.python_variables({"OWN": "1"}), check=True)
"""

EXPORTED = {
    **dict.fromkeys(("PGSSLMODE", "PGSERVICE", "PGHOSTADDR", "PGDATESTYLE"), "for-psql"),
    **dict.fromkeys(("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"), "-Dx=y"),
    **dict.fromkeys(("KAFKA_OPTS", "KAFKA_HEAP_OPTS", "CLASSPATH", "LOG_DIR"), "/for/kafka"),
    **dict.fromkeys(("LANG", "LC_ALL", "LC_CTYPE", "LANGUAGE"), "tr_TR.UTF-8"),
    **dict.fromkeys(("HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY"), "http://proxy:1"),
    **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "LD_LIBRARY_PATH"), "/for/others"),
    **dict.fromkeys(("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"), "sk_other"),
    **dict.fromkeys(("BOOKPAY_LOG_LEVEL", "BOOKPAY_LEASE_SECONDS", "DB_DSN"), "of-another"),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "7",
    "PYTHONIOENCODING": "latin-1",
    "TZ": "Asia/Kathmandu",
    "TMPDIR": "/nowhere",
    "HOME": "/nowhere",
}


def child_of(variables: dict[str, str], folder: Path) -> tuple[dict[str, str], int, list[str]]:
    """What a child sees: its variables, its optimisation, its module path."""
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        env={"PATH": os.defpath, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    seen, optimised, path = json.loads(done.stdout)
    return seen, optimised, path


def test_nothing_that_the_shell_exports_reaches_a_child(tmp_path: Path) -> None:
    seen, _, _ = child_of(EXPORTED, tmp_path)

    assert seen == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "OWN": "1",
    }


def test_a_child_keeps_its_docstrings_whatever_the_shell_says(tmp_path: Path) -> None:
    _, optimised, _ = child_of({"PYTHONOPTIMIZE": "2"}, tmp_path)

    assert optimised == 0


def test_a_package_of_our_names_in_the_folder_or_on_the_path_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "__init__.py").write_text("raise SystemExit('a foreign package')")

    _, _, path = child_of({"PYTHONPATH": str(tmp_path)}, tmp_path)

    assert str(tmp_path) not in path
    assert "" not in path


def test_who_tries_a_changed_runtime_has_a_variable_for_it(tmp_path: Path) -> None:
    _, _, path = child_of({"BOOKPAY_PYTHONPATH": str(tmp_path)}, tmp_path)

    assert path[0] == str(tmp_path)


def test_the_tool_itself_is_not_shadowed_by_a_package_called_runtime(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "__init__.py").write_text("raise SystemExit('a foreign package')")
    variables = {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "error", "PSYCOPG_IMPL": "c"}

    done = subprocess.run(
        [sys.executable, "-m", "bookpayctl", "status"],
        env={"PATH": os.defpath, **variables},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, "no environment" in done.stderr) == (2, True), done.stderr


def test_a_shell_of_another_alphabet_changes_no_folders_name(tmp_path: Path) -> None:
    """In a Latin locale a name of two UTF-8 bytes would be read as two letters."""
    latin = ["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", str(tmp_path / "tr_TR.ISO-8859-9")]
    try:
        subprocess.run(latin, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine cannot make a locale: localedef or its sources are missing")
    folder = tmp_path / "shop ünï"
    folder.mkdir()
    (folder / "bookpay.toml").write_text('name = "here"\n')
    variables = {"LOCPATH": str(tmp_path), "LC_ALL": "tr_TR.ISO-8859-9"}

    done = subprocess.run(
        [sys.executable, "-m", "bookpayctl", "config", "show", "-o", "json"],
        env={"PATH": os.defpath, **variables},
        cwd=folder,
        capture_output=True,
        check=True,
    )

    sources = [entry["source"] for entry in json.loads(done.stdout)["settings"]]
    assert f"{folder}/bookpay.toml" in sources

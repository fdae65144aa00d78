"""Shells that export what was meant for other programs, in folders with hostile names.

Each shell has a whole kind of variables at once: brought up, asked, paid, judged, purged in it.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bookpayctl.targets.servers import jars
from tests.support.command_line import COMMAND_SECONDS_MAX
from tests.support.waiting import eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

PROXY = "http://192.0.2.1:3128"
NOWHERE = "/nowhere/at all"


@dataclass(frozen=True)
class Shell:
    """What a shell says, and the folder that it is in.

    Attributes:
        without: variables that it does not have.
        umask: of what is made in it.
    """

    folder: str
    exports: Mapping[str, str]
    without: tuple[str, ...] = ()
    umask: int = 0o022
    files_at_home: Mapping[str, str] = field(default_factory=dict)


SHELLS = {
    "of-libpq-and-java": Shell(
        "eq=a,b -x",
        {
            "PGOPTIONS": "-c default_transaction_read_only=on",
            "PGHOST": "192.0.2.1",
            "PGPORT": "1",
            "PGUSER": "nobody",
            "PGPASSFILE": NOWHERE,
            "PGSERVICE": "reporting",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": NOWHERE,
            "PGTZ": "Asia/Kathmandu",
            "PGDATESTYLE": "German",
            "PGCLIENTENCODING": "LATIN5",
            "PGTARGETSESSIONATTRS": "standby",
            "PGCONNECT_TIMEOUT": "none",
            "PGDATA": NOWHERE,
            "JAVA_TOOL_OPTIONS": "-javaagent:/nowhere.jar",
            "_JAVA_OPTIONS": "-Xmx1m",
            "JDK_JAVA_OPTIONS": "-Duser.language=tr",
            "JAVA_HOME": NOWHERE,
            "KAFKA_OPTS": "-Dx",
            "KAFKA_HEAP_OPTS": "-Xmx1m",
            "KAFKA_LOG4J_OPTS": "-Dlog4j.configuration=file:/nowhere",
            "CLASSPATH": "/nowhere.jar",
        },
        files_at_home={
            ".pgpass": "*:*:*:*:wrong\n",
            ".pg_service.conf": "[reporting]\nhost=192.0.2.1\n",
        },
    ),
    "of-python-and-proxies": Shell(
        "q\"uo'te\\ %(here)s $HOME `id`; # 🛒 ",
        {
            **dict.fromkeys(("LC_ALL", "LANG"), "tr_TR.UTF-8"),
            "TZ": "Asia/Kathmandu",
            "PYTHONOPTIMIZE": "2",
            "PYTHONWARNINGS": "error",
            "PYTHONDEVMODE": "1",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "ascii",
            "PYTHONHASHSEED": "7",
            "PYTHONSTARTUP": NOWHERE,
            "PYTHONSAFEPATH": "1",
            "COLUMNS": "10",
            **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), PROXY),
            "NO_PROXY": "",
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), NOWHERE),
            "STRIPE_API_KEY": "sk_" + "live_x",
            "STRIPE_API_BASE": "http://192.0.2.1",
            "STRIPE_WEBHOOK_SECRET": "",
            "DB_DSN": "postgresql://nobody@192.0.2.1/x",
            "KAFKA_BOOTSTRAP_SERVERS": "192.0.2.1:9092",
        },
        without=("TERM",),
        umask=0o077,
    ),
    "of-a-container": Shell(
        "L" * 180,
        {"TMPDIR": NOWHERE, "LANG": "C", "LC_ALL": "C", "TZ": ":/nowhere"},
        without=("HOME", "USER", "LOGNAME", "SHELL", "TERM", "XDG_CACHE_HOME"),
        umask=0,
    ),
}


def variables(shell: Shell, home: Path) -> dict[str, str]:
    cache = {jars.CACHE_VARIABLE: str(jars.cache_dir())}
    own = {**os.environ, "HOME": str(home), **cache, **shell.exports}
    return {name: text for name, text in own.items() if name not in shell.without}


@pytest.mark.parametrize("kind", SHELLS)
def test_an_environment_lives_in_any_shell(tmp_path: Path, kind: str) -> None:
    shell = SHELLS[kind]
    folder, home = tmp_path / shell.folder, tmp_path / "home"
    for made in (folder, home):
        made.mkdir()
    for name, text in shell.files_at_home.items():
        (home / name).write_text(text)
        (home / name).chmod(0o600)

    def ask(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "bookpayctl", *arguments, "--name", "x"],
            env=variables(shell, home),
            cwd=folder,
            umask=shell.umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

    def run(*arguments: str) -> None:
        done = ask(*arguments)
        assert done.returncode == 0, (arguments, done.stderr.decode(errors="replace"))

    try:
        run("up")
        # A broker that has just started may not speak of its groups yet; status then says unknown.
        eventually(lambda: ask("status").returncode == 0, "all is healthy")
        run("order", "place", "--wait", "paid", "--timeout", "90s")
        run("order", "list")
        # An order of this moment is too young to be judged.
        eventually(lambda: ask("audit").returncode == 0, "the order is judged and good")
        secrets = (folder / ".bookpay" / "x" / "secrets").iterdir()
        assert [path.name for path in secrets if path.stat().st_mode & stat.S_IRWXO] == []
    finally:
        run("down", "--purge")

    assert not (folder / ".bookpay" / "x").exists()

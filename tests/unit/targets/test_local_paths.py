"""A folder's name reaches every program whole, or `up` refuses it before anything is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from psycopg.conninfo import conninfo_to_dict

from bookpayctl.targets.environment import ProcessSpec
from bookpayctl.targets.local.machine.paths import (
    PATH_BYTES_MAX,
    PathRefusedError,
    refuse_in_class_path,
    refuse_unusable,
    refuse_unwritable,
)
from bookpayctl.targets.local.machine.ports import release
from bookpayctl.targets.local.machine.state import socket_path
from bookpayctl.targets.local.supervise.configuration import write_config
from bookpayctl.targets.local.supervise.programs import Program, Tier
from bookpayctl.targets.servers.postgres import Postgres

FOLDERS = [
    *("shop #2", "a ;b", "my #1 shop ünï;", "100% %(here)s %%", "%(ENV_HOME)s", "$HOME", "`id`"),
    *("a'b\"c", 'two""', "it''s", "a=b,c", "back\\slash", "end\\", "-dash", "~root", "trailing "),
    *(
        " leading",
        "#lead",
        ";lead",
        "x ; # y",
        "emoji 🛒",
        "a:b*?[c]",
        "&?+@q",
        "{n}",
        "\u00a0#",
    ),
]

REFUSED = {
    "new\nline": "'\\n'",
    "tab\there": "'\\t'",
    "bell\a": "'\\x07'",
    os.fsdecode(b"caf\xe9"): "not UTF-8",
    "x" * 200 + "/" + "y" * 250: "bytes long",
}

# supervisor's own parser, in the folder in which its daemon is started.
PARSE = """
import json, os, shlex, sys
from supervisor.options import ServerOptions

options = ServerOptions()
options.configfile = os.path.join(sys.argv[1], "supervisord.conf")
options.here = sys.argv[1]
options.process_config(do_usage=False)
section = options.configroot.supervisord
print(json.dumps({
    "directory": section.directory,
    "logfile": os.path.abspath(section.logfile),
    "programs": [
        {
            "command": shlex.split(program.command),
            "directory": os.path.abspath(program.directory),
            "log": os.path.abspath(program.stdout_logfile),
        }
        for group in options.process_group_configs for program in group.process_configs
    ],
}))
"""


def program(root: Path) -> Program:
    return Program(
        spec=ProcessSpec("kafka", "kafka", 1),
        command=(f"{root}/bin/java", "-cp", f"{root}/a.jar:{root}/b.jar", "", "it's", "a #b ;c"),
        directory=root / "kafka",
        tier=Tier.BROKER,
        variables={"FILE": f"{root}/secrets/key", "EMPTY": "", "MORE": "a=b c"},
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_supervisor_reads_back_what_was_meant(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    for folder in ("logs", "kafka"):
        (root / folder).mkdir(parents=True)
    wanted = program(root)

    write_config(root, tmp_path / "s.sock", [wanted])
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(root)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    variables = [f"{key}={value}" for key, value in sorted(wanted.variables.items())]
    assert (found["directory"], found["logfile"]) == (str(root), f"{root}/logs/supervisord.log")
    assert found["programs"] == [
        {
            "command": ["env", *variables, *wanted.command],
            "directory": f"{root}/kafka",
            "log": f"{root}/logs/kafka.log",
        }
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_libpq_reads_back_the_path_of_the_password_file(tmp_path: Path, name: str) -> None:
    passfile = tmp_path / name / "pgpass"

    dsn = Postgres(tmp_path, tmp_path / "data", 5432, None).dsn(passfile)

    assert conninfo_to_dict(dsn)["passfile"] == str(passfile)
    assert conninfo_to_dict(dsn)["dbname"] == "bookpay"
    assert urlsplit(dsn).path == "/bookpay"


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_can_be_carried_is_not_refused(name: str) -> None:
    refuse_unusable(Path("/srv") / name, "the environment's folder", "choose another")


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_nothing_can_carry_is_refused_with_its_name_and_the_reason(
    name: str,
) -> None:
    path = Path("/srv") / name

    with pytest.raises(PathRefusedError) as refusal:
        refuse_unusable(path, "the environment's folder", "choose another")

    assert REFUSED[name] in str(refusal.value)
    assert repr(str(path)) in str(refusal.value)
    assert refusal.value.code == 2


def test_a_class_path_cannot_hold_its_own_separator() -> None:
    with pytest.raises(PathRefusedError, match="':'"):
        refuse_in_class_path(Path("/srv/a:b"), "the cache", "choose another")


def test_the_socket_has_a_short_path_however_deep_the_environment_lies_and_whatever_tmpdir_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = Path("/srv") / ("x" * (PATH_BYTES_MAX - 10))
    before = socket_path(deep)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    found = socket_path(deep)

    found.parent.rmdir()
    assert found == before
    # While it starts, supervisor appends a pid; the kernel takes 107 bytes.
    assert len(f"{found}.4194304") <= 107


@pytest.mark.parametrize("name", list(REFUSED)[:4])
def test_up_refuses_such_a_folder_before_anything_is_made(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()

    done = subprocess.run(
        [sys.executable, "-m", "bookpayctl", "up"],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 2, done.stderr
    assert b"nothing was made" in done.stderr
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """As in a working folder that is mounted to be read."""
    done = subprocess.run(
        [sys.executable, "-m", "bookpayctl", "up"],
        cwd=tmp_path,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "BOOKPAY_HOME": "/proc/nohome"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2, done.stderr
    assert "'/proc/nohome/default', cannot be written" in done.stderr
    assert "choose another with BOOKPAY_HOME" in done.stderr


@pytest.mark.parametrize("home", ["/proc/nohome", "/dev/null"])
def test_a_home_without_room_for_the_cache_is_refused_before_anything_is_made(
    tmp_path: Path, home: str
) -> None:
    """As in a container whose user has no home. The way out is named."""
    done = subprocess.run(
        [sys.executable, "-m", "bookpayctl", "up"],
        cwd=tmp_path,
        env={"PATH": os.defpath, "HOME": home},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2, done.stderr
    assert f"{home}/.cache/bookpay" in done.stderr
    assert "choose another with BOOKPAY_CACHE" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_was_made_to_see_whether_it_can_be_made_is_gone_again(tmp_path: Path) -> None:
    refuse_unwritable(tmp_path / "a" / "b", "the cache", "choose another")

    assert list(tmp_path.iterdir()) == []


def test_ports_are_given_back_where_their_registry_cannot_be_reached() -> None:
    release(Path("/proc/nohome/bookpay"), Path("/srv/shop"))

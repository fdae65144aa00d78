"""supervisor's configuration, written so that it reads back exactly what was meant.

Its format cuts a value at ` ;` and ` #`, strips both ends, expands `%` once or, in some options,
twice, and has no escape for the first. Folders are therefore written relative to the environment's
own, in which the daemon is started and stays; and what a program is called with, its variables
included, stands in `command` alone, where the words are quoted as for a shell and an empty pair of
quotes parts a blank from the sign behind it.

Source:
    supervisor 4.3.0, options.py: UnhosedConfigParser and processes_from_section.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bookpayctl.runs.files import SECRET, write_atomically
from bookpayctl.targets.local.supervise.programs import Program

CONFIG_FILE: Final = "supervisord.conf"
LOG_FILE: Final = "supervisord.log"

_COMMENT: Final = re.compile(r"(\s)([;#])")


def write_config(root: Path, socket_path: Path, programs: Iterable[Program]) -> None:
    """Write the configuration, readable by us alone, in one step."""
    text = _daemon_section(socket_path) + "".join(
        program_section(root, program) for program in programs
    )
    write_atomically(root / CONFIG_FILE, text, mode=SECRET)


def command_value(words: Sequence[str]) -> str:
    """A command line as supervisor's format carries it."""
    # A blank stands inside quotes, or it would part two words; so may the empty pair.
    return _COMMENT.sub(r"\1''\2", shlex.join(words)).replace("%", "%%")


def _daemon_section(socket_path: Path) -> str:
    # As root, supervisor wants to be told that it shall stay root.
    user = "user=root\n" if os.geteuid() == 0 else ""
    return f"""\
; Written by bookpayctl at every `up`; edits here are lost.
[unix_http_server]
file={socket_path}
chmod=0700

[supervisord]
nodaemon=false
{user}identifier=bookpay
directory=%(here)s
logfile=logs/{LOG_FILE}
logfile_maxbytes=0
pidfile=supervisord.pid
childlogdir=logs
umask=077
minfds=1024

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def program_section(root: Path, program: Program) -> str:
    """One [program:x]. autostart is off: `up` starts each as soon as what it needs is there."""
    user = f"user={program.user}\n" if program.user else ""
    return f"""
[program:{program.name}]
command={command_value(_words(program))}
directory={_folder(root, program.directory)}
{user}priority={int(program.tier) * 100}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_seconds}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{program.name}.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=2
"""


def _words(program: Program) -> list[str]:
    """The whole command; `env` sets the variables and becomes the program, with the same pid."""
    assignments = [f"{name}={value}" for name, value in sorted(program.variables.items())]
    return [*(["env", *assignments] if assignments else []), *program.command]


def _folder(root: Path, directory: Path) -> str:
    """A program's working directory: the root of the file system, or one of the environment's."""
    if directory == Path("/"):
        return "/"
    return str(directory.relative_to(root))

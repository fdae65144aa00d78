"""The programs of others that make a cluster: kind, and the engine it uses.

They get their own variables from the shell, because the engine's address and the way out of a
network are told there, and nothing else: not KUBECONFIG, which is the user's.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bookpayctl.targets.kind.errors import KindDeadlineError

_LAST_LINES: Final = 12

# What docker, podman, nerdctl and kind itself read, and where they find their own files.
_PASSED_ON: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "SSH_AUTH_SOCK",
        "CONTAINERD_NAMESPACE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    }
)
_PASSED_ON_BEGINNINGS: Final = ("DOCKER_", "CONTAINER_", "CONTAINERS_", "KIND_EXPERIMENTAL_")


@dataclass(frozen=True, slots=True)
class ProgramAnswer:
    """What a program that has ended said.

    Attributes:
        last_words: the last lines of what it complained, or of everything where that is one.
    """

    code: int
    out: str
    last_words: tuple[str, ...]

    @property
    def complaint(self) -> str:
        return "; ".join(self.last_words) or f"exit status {self.code}"


def engine_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the shell's variables these programs get."""
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_BEGINNINGS)
    }


def ask(command: Sequence[str], *, seconds_max: float) -> ProgramAnswer:
    """Run a program that answers a question.

    Raises:
        KindDeadlineError: it does not end in time.
        OSError: it cannot be started.
    """
    try:
        done = subprocess.run(
            command,
            env=engine_variables(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds_max,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(command, seconds_max) from error
    return ProgramAnswer(done.returncode, done.stdout, _last(done.stderr.splitlines()))


def run_aloud(
    command: Sequence[str],
    *,
    seconds_max: float,
    tell: Callable[[str], None],
    began: Callable[[int], None] | None = None,
) -> ProgramAnswer:
    """Run a program that works, passing on each line that it says.

    It is in a session of its own: a Ctrl-C is ours to answer, by taking back what was begun.

    Args:
        began: told the process's id as soon as it has one.

    Raises:
        KindDeadlineError: it does not end in time, and was killed.
        OSError: it cannot be started.
    """
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    late = threading.Event()
    with subprocess.Popen(
        command,
        env=engine_variables(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:

        def give_up() -> None:
            late.set()
            process.kill()

        clock = threading.Timer(seconds_max, give_up)
        clock.start()
        try:
            if began is not None:
                began(process.pid)
            for line in process.stdout or ():
                if line.strip():
                    lines.append(line.strip())
                    tell(line.strip())
        except BaseException:
            process.kill()
            raise
        finally:
            clock.cancel()
    if late.is_set():
        raise _too_slow(command, seconds_max)
    return ProgramAnswer(process.returncode, "", tuple(lines))


def _last(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.strip() for line in lines if line.strip())[-_LAST_LINES:]


def _too_slow(command: Sequence[str], seconds_max: float) -> KindDeadlineError:
    words = " ".join(os.path.basename(word) for word in command[:3])
    return KindDeadlineError(f"{words} did not end within {seconds_max:g} s")

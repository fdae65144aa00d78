"""A canary beside an environment of this machine: a program that asks through a link's proxy.

A process of its own, as in a pod, so that a busy tool does not make its answers late.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Final

from bookpayctl.targets import children
from bookpayctl.targets.environment import Environment
from bookpayctl.targets.errors import NoSuchProcessError
from bookpayctl.targets.local.supervise.diverted import Proxied
from bookpayctl.targets.local.supervise.programs import KAFKA, POSTGRES
from bookpayctl.targets.witness import Witness

_HOST: Final = "127.0.0.1"
_END_SECONDS_MAX: Final = 5.0


def place(environment: Environment, proxied: Proxied, seconds: float) -> Witness:
    """Begin to ask whoever is behind a proxy; what is answered is heard from now on.

    Raises:
        NoSuchProcessError: nobody of this environment is behind it.
    """
    program = subprocess.Popen(
        children.python_module(
            "bookpayctl.targets.container",
            "canary",
            _asked(environment, proxied),
            f"--seconds={seconds:.0f}",
        ),
        env=children.python_variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    witness = Witness(f"the canary of {proxied.name}")
    threading.Thread(target=_hear, args=(program, witness), daemon=True).start()
    return witness


def _asked(environment: Environment, proxied: Proxied) -> str:
    """The argument that says what is asked, through the proxy."""
    services = {spec.port: spec.service for spec in environment.processes}
    service = services.get(proxied.to_port)
    address = f"{_HOST}:{proxied.port}"
    if service is None:
        raise NoSuchProcessError(f"nobody listens behind {proxied.process}")
    if service == POSTGRES:
        # It names a file with the password, which is not in it.
        return f"--dsn={environment.dsn.replace(f'{_HOST}:{proxied.to_port}', address)}"
    return f"--kafka={address}" if service == KAFKA else f"--http={address}"


def _hear(program: subprocess.Popen[str], witness: Witness) -> None:
    reason = "it ended"
    for line in program.stdout or ():
        witness.hear(line.rstrip("\n"))
        if witness.is_dismissed:
            reason = "nobody listens any more"
            break
    program.terminate()
    try:
        program.wait(_END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        program.kill()
    witness.close(reason)

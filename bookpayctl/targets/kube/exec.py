"""A command in a container of a pod: its two outputs apart, and how it ended; or line by line."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.errors import ClusterError
from bookpayctl.targets.kube.kinds import POD
from bookpayctl.targets.target import Finished

if TYPE_CHECKING:
    from kubernetes.stream.ws_client import WSClient

_STDOUT, _STDERR, _STATUS = 1, 2, 3
_CONNECT_SECONDS_MAX: Final = 10.0

# How often a listener that nothing is said to looks whether it is still wanted.
_LOOK_SECONDS: Final = 0.25


class ExecError(ClusterError):
    """The command could not be run, or did not end in time."""

    reason = "exec_failed"


def run_in_pod(
    cluster: Cluster,
    namespace: str,
    pod: str,
    container: str,
    command: list[str],
    *,
    deadline_seconds: float,
) -> Finished:
    """Run a command to its end.

    Raises:
        ExecError: no such pod or program, not permitted, or the deadline passed.
    """
    outputs: dict[int, bytes] = {_STDOUT: b"", _STDERR: b"", _STATUS: b""}
    ends_at = time.monotonic() + deadline_seconds
    with _connection(cluster, namespace, pod, container, command) as client:
        while client.is_open() and (left := ends_at - time.monotonic()) > 0:
            client.update(timeout=left)
            for channel in outputs:
                outputs[channel] += client.read_channel(channel)
        for channel in outputs:
            outputs[channel] += client.read_channel(channel)
        still_open = client.is_open()
    if still_open:
        where = f"{namespace}/{pod}"
        raise ExecError(f"{command[0]} in pod {where} did not end in {deadline_seconds:.0f} s")
    return Finished(
        exit_status=exit_status(outputs[_STATUS]),
        stdout=outputs[_STDOUT].decode("utf-8", "replace"),
        stderr=outputs[_STDERR].decode("utf-8", "replace"),
    )


def follow_in_pod(
    cluster: Cluster,
    namespace: str,
    pod: str,
    container: str,
    command: list[str],
    *,
    hear: Callable[[str], None],
    wanted: Callable[[], bool],
) -> str:
    """Run a command and hear each line as it is written; how it ended, in words.

    Args:
        wanted: asked again and again; once it says no, nothing more is heard.

    Raises:
        ExecError: no such pod or program, not permitted, or the connection broke.
    """
    rest, complaints, status = b"", b"", b""
    with _connection(cluster, namespace, pod, container, command) as client:
        while client.is_open():
            if not wanted():
                return "nobody listens any more"
            client.update(timeout=_LOOK_SECONDS)
            *whole, rest = (rest + client.read_channel(_STDOUT)).split(b"\n")
            complaints += client.read_channel(_STDERR)
            status += client.read_channel(_STATUS)
            for line in whole:
                hear(line.decode("utf-8", "replace"))
    said = complaints.decode("utf-8", "replace").strip()
    return f"exit status {exit_status(status)}{f': {said}' if said else ''}"


@contextmanager
def _connection(
    cluster: Cluster, namespace: str, pod: str, container: str, command: list[str]
) -> Iterator[WSClient]:
    """The command's two outputs and its status, as channels of a websocket.

    Raises:
        ExecError: it could not be opened, or broke.
    """
    import websocket
    from kubernetes.stream.ws_client import WSClient, get_websocket_url

    path = POD.path(namespace, pod, "exec")
    query = [("container", container), ("stdout", "true"), ("stderr", "true")]
    url = get_websocket_url(
        f"{cluster.server}{path}", [*query, *(("command", word) for word in command)]
    )
    headers = {name.lower(): value for name, value in cluster.headers(path).items()}
    websocket.setdefaulttimeout(_CONNECT_SECONDS_MAX)
    where = f"{namespace}/{pod}"
    try:
        client = WSClient(cluster.configuration, url, headers, capture_all=False, binary=True)
    except (websocket.WebSocketException, OSError) as error:
        raise ExecError(f"nothing can be run in pod {where}: {error}") from error
    try:
        yield client
    except (websocket.WebSocketException, OSError) as error:
        # A container that ends takes the command's connection with it.
        raise ExecError(f"the connection into pod {where} broke: {error}") from error
    finally:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            client.close()
        client.sock.shutdown()


def exit_status(status: bytes) -> int:
    """The exit status in the last word of the API server on a command.

    Raises:
        ExecError: it tells of none, as when the program is not there.
    """
    try:
        said = json.loads(status)
    except ValueError as error:
        raise ExecError("the connection ended before the command did") from error
    if said.get("status") == "Success":
        return 0
    causes = (said.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise ExecError(str(said.get("message") or said))

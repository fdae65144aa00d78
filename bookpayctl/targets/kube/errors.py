"""What a cluster says when it does not do as it is asked, with what an operator does next."""

from __future__ import annotations

import json

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError


class ClusterError(TargetError):
    """The cluster refused, or did not answer.

    Attributes:
        status: the HTTP status; 0 when nobody answered.
    """

    reason = "cluster_failed"

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(ClusterError):
    """Nobody answered at the address of the context."""

    reason = "cluster_unreachable"
    fix = "kubectl cluster-info"


class ForbiddenError(ClusterError):
    """The account may not; the message names the verb and the resource."""

    code = ExitCode.USAGE
    reason = "not_permitted"


class AbsentError(ClusterError):
    """There is no such object, or no such kind."""

    reason = "not_found"


class ConflictError(ClusterError):
    """Another one changed it meanwhile, or owns the field."""

    reason = "conflict"


class InvalidObjectError(ClusterError):
    """The API server does not take the object as it is; the message holds its reasons."""

    code = ExitCode.USAGE
    reason = "object_refused"


class ContextRefusedError(TargetError):
    """The context may not be touched by this tool."""

    code = ExitCode.REFUSED
    reason = "context_not_allowed"


class KubeconfigError(TargetError):
    """There is no usable kubeconfig, or no such context in it."""

    code = ExitCode.USAGE
    reason = "no_context"
    fix = "kubectl config get-contexts"


class ForeignObjectsError(TargetError):
    """Something in the way belongs to somebody else."""

    code = ExitCode.REFUSED
    reason = "foreign_objects"


class RolloutError(TargetError):
    """Something did not become ready; the message says why."""

    reason = "not_ready"
    fix = "bookpayctl status"


class RolloutDeadlineError(RolloutError):
    """The same, because the time was up before it failed or was ready."""

    code = ExitCode.DEADLINE
    reason = "deadline"


def refusal_of(method: str, path: str, status: int, raw: bytes) -> ClusterError:
    """The API server's own words, as an error of a kind that callers tell apart."""
    try:
        said = json.loads(raw)
        message = str(said.get("message") or said)
    except ValueError:
        said, message = {}, raw.decode("utf-8", "replace").strip()[:500]
    where = f"{method} {path}"
    match status:
        case 401 | 403:
            return ForbiddenError(f"not permitted: {message}", status=status)
        case 404:
            return AbsentError(message or f"{where}: there is none", status=status)
        case 409:
            return ConflictError(message, status=status)
        # An unknown field in a server-side apply is a 500, of all things (seen with 1.36).
        case 500 if "failed to create typed patch object" in message:
            return InvalidObjectError(f"{where}: {message}", status=status)
        case 400 | 422:
            return InvalidObjectError(f"{where}: {message}", status=status)
        case _:
            return ClusterError(f"{where}: HTTP {status}: {message}", status=status)

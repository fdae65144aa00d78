"""What keeps `--on kind` from having a cluster, with what an operator does next."""

from __future__ import annotations

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError


class KindMissingError(TargetError):
    """There is no program `kind`, or none whose node image is known."""

    code = ExitCode.USAGE
    reason = "no_kind"
    fix = "install kind (https://kind.sigs.k8s.io), or use a cluster that is there: --on kube"


class KindFailedError(TargetError):
    """kind, or the engine it uses, did not do as it was asked; the message has its words."""

    reason = "kind_failed"


class EngineDownError(KindFailedError):
    """docker, podman or nerdctl is not there, or does not answer."""

    reason = "no_engine"
    fix = "start docker (or podman, nerdctl) and see that `kind get clusters` answers"


class KindDeadlineError(KindFailedError):
    """The same, because it did not end in time."""

    code = ExitCode.DEADLINE
    reason = "deadline"


class ArchiveError(TargetError):
    """The image archive is not one that can be loaded under the image's name."""

    code = ExitCode.USAGE
    reason = "archive"


class ImageMissingError(TargetError):
    """The nodes do not hold the image, and nobody said where it is."""

    code = ExitCode.REFUSED
    reason = "image_missing"

"""kind itself, by its command line: which clusters there are, making and deleting one, loading."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.targets.kind.errors import EngineDownError, KindFailedError, KindMissingError
from bookpayctl.targets.kind.node_images import kind_version
from bookpayctl.targets.kind.programs import ProgramAnswer, ask, run_aloud

PROGRAM: Final = "kind"

_ASK_SECONDS_MAX: Final = 60.0
# The node image is one GB, and may have to come over a slow line.
_CREATE_SECONDS_MAX: Final = 1200.0
_READY_SECONDS_MAX: Final = 180
_LOAD_SECONDS_MAX: Final = 900.0
_DELETE_SECONDS_MAX: Final = 180.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class KindProgram:
    """One installation of kind.

    Attributes:
        path: the program.
        version: its release, such as 0.33.0.
    """

    path: str
    version: str

    def clusters(self) -> list[str]:
        """The names of all clusters, of whoever made them.

        Raises:
            EngineDownError: its engine does not answer.
        """
        told = ask([self.path, "get", "clusters"], seconds_max=_ASK_SECONDS_MAX)
        if told.code:
            raise EngineDownError(f"kind cannot say which clusters there are: {told.complaint}")
        return names_in(told.out)

    def nodes(self, cluster: str) -> list[str]:
        """The containers of a cluster, whether they run or not."""
        command = [self.path, "get", "nodes", "--name", cluster]
        told = _succeeded(ask(command, seconds_max=_ASK_SECONDS_MAX), f"list nodes of {cluster}")
        return names_in(told.out)

    def create(
        self,
        cluster: str,
        config: Path,
        kubeconfig: Path,
        image: str | None,
        *,
        began: Callable[[int], None],
        tell: Tell,
    ) -> None:
        """Make a cluster and wait until its node is ready; the kubeconfig is written at the end."""
        command = [self.path, "create", "cluster", "--name", cluster]
        command += ["--config", str(config), "--kubeconfig", str(kubeconfig)]
        command += ["--wait", f"{_READY_SECONDS_MAX}s"]
        command += ["--image", image] if image else []
        told = run_aloud(command, seconds_max=_CREATE_SECONDS_MAX, tell=tell, began=began)
        _succeeded(told, f"create cluster {cluster}")

    def export_kubeconfig(self, cluster: str, kubeconfig: Path) -> None:
        """Write the way into a cluster that is there to a file of ours."""
        command = [self.path, "export", "kubeconfig", "--name", cluster]
        command += ["--kubeconfig", str(kubeconfig)]
        told = ask(command, seconds_max=_ASK_SECONDS_MAX)
        if told.code:
            error = KindFailedError(
                f"kind cannot tell the way into cluster {cluster}: {told.complaint}"
            )
            error.fix = f"do its nodes run? `kind get nodes --name {cluster}`, then start them"
            raise error

    def load(self, cluster: str, archive: Path, tell: Tell) -> None:
        """Bring an image archive into every node."""
        command = [self.path, "load", "image-archive", str(archive), "--name", cluster]
        told = run_aloud(command, seconds_max=_LOAD_SECONDS_MAX, tell=tell)
        _succeeded(told, f"load {archive} into cluster {cluster}")

    def delete(self, cluster: str, kubeconfig: Path, tell: Tell) -> None:
        """Delete a cluster; harmless when there is none."""
        command = [self.path, "delete", "cluster", "--name", cluster]
        command += ["--kubeconfig", str(kubeconfig)]
        told = run_aloud(command, seconds_max=_DELETE_SECONDS_MAX, tell=tell)
        _succeeded(told, f"delete cluster {cluster}")


def find_kind() -> KindProgram:
    """The kind on PATH.

    Raises:
        KindMissingError: there is none, or it is none.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise KindMissingError("kind is not on PATH")
    told = ask([path, "version"], seconds_max=_ASK_SECONDS_MAX)
    return KindProgram(os.path.abspath(path), kind_version(told.out))


def names_in(out: str) -> list[str]:
    """Names as `kind get` prints them, one a line; its sentences go to stderr, and are none."""
    return [line.strip() for line in out.splitlines() if line.strip() and " " not in line.strip()]


def _succeeded(told: ProgramAnswer, what: str) -> ProgramAnswer:
    if told.code:
        raise KindFailedError(f"kind could not {what}: {told.complaint}")
    return told

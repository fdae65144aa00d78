"""A cluster of kind for an environment: made, or taken where there is one.

What is about to be made is written down before, so whoever comes after a kill finds it. The user's
own kubeconfig is never read and never written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bookpayctl.runs.files import write_atomically
from bookpayctl.runs.interrupts import shielded
from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kind.cluster_config import ClusterConfig, cluster_config
from bookpayctl.targets.kind.creator import note_creator, wait_for_creator
from bookpayctl.targets.kind.engine import api_ports, engine_here
from bookpayctl.targets.kind.kind_program import KindProgram
from bookpayctl.targets.kind.node_images import node_image_of
from bookpayctl.targets.kind.options import KindOptions
from bookpayctl.targets.kind.plan import (
    ClusterStep,
    KindRecord,
    StandingCluster,
    cluster_step,
    is_made_for_us,
)
from bookpayctl.targets.kube.manifests import folder
from bookpayctl.targets.platform import UpStep
from bookpayctl.targets.servers.free_ports import free_ports
from bookpayctl.targets.settings import SettingsError

PART: Final = "kind"
_CREATOR_SECONDS_MAX: Final = 300.0

Tell = Callable[[UpStep], None]
Remember = Callable[[KindRecord], None]
"""Writes down what is about to be true of the cluster."""


@dataclass(frozen=True, slots=True)
class KindFiles:
    """Where an environment keeps what belongs to its cluster."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """With a client's key in it; there when the cluster was made to its end."""
        return self.root / "secrets" / "kubeconfig"

    @property
    def config(self) -> Path:
        return self.root / "kind" / "cluster.yaml"

    @property
    def creator(self) -> Path:
        return self.root / "kind" / "creator.json"

    def prepare(self) -> None:
        (self.root / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config.parent.mkdir(exist_ok=True)


def context_of(cluster: str) -> str:
    """As kind calls it in every kubeconfig that it writes."""
    return f"kind-{cluster}"


def standing_cluster(program: KindProgram, cluster: str) -> StandingCluster | None:
    """The cluster of that name, whoever made it; None when kind lists none.

    Raises:
        EngineDownError: nobody says.
    """
    if cluster not in program.clusters():
        return None
    return StandingCluster(api_ports(engine_here(os.environ), program.nodes(cluster)))


def ensure_cluster(
    program: KindProgram,
    options: KindOptions,
    record: KindRecord | None,
    files: KindFiles,
    remember: Remember,
    tell: Tell,
    *,
    ready_to_create: Callable[[], None],
) -> KindRecord:
    """Have a cluster, and the way into it in the environment's kubeconfig; what is now remembered.

    Args:
        ready_to_create: raises where a new cluster would be of no use.

    Raises:
        KindMissingError, SettingsError: nothing was changed.
        KindFailedError: kind could not; what it had begun is gone again.
    """
    wait_for_creator(
        files.creator,
        deadline_seconds=_CREATOR_SECONDS_MAX,
        tell=lambda text: tell(UpStep(PART, text, transient=True)),
    )
    standing = standing_cluster(program, options.cluster)
    step = cluster_step(standing, record, finished=files.kubeconfig.exists())
    if step in (ClusterStep.TAKE_OURS, ClusterStep.TAKE_ANOTHERS):
        ours = record if step is ClusterStep.TAKE_OURS else None
        taken = ours or KindRecord(options.cluster, created=False)
        files.prepare()
        remember(taken)
        program.export_kubeconfig(options.cluster, files.kubeconfig)
        tell(UpStep(PART, f"cluster {options.cluster} is there", done=True))
        return taken
    ready_to_create()
    config, image = new_config(options, program)
    files.prepare()
    made = KindRecord(options.cluster, created=True, api_port=config.api_port)
    if step is ClusterStep.CREATE_ANEW:
        tell(UpStep(PART, f"cluster {options.cluster} was never finished; deleting it"))
        _delete(program, options.cluster, files, tell)
    _create(program, options, config, image, made, files, remember, tell)
    return made


def new_config(options: KindOptions, program: KindProgram) -> tuple[ClusterConfig, str | None]:
    """What a new cluster is made of: its configuration, and the node image where that has none.

    Raises:
        KindMissingError: no node image is known for this release of kind.
        SettingsError: the configuration cannot be used.
    """
    place = options.config or folder() / "overlays" / "kind" / "cluster.yaml"
    try:
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"kind_config {place} cannot be read: {error}") from error
    config = cluster_config(
        text, str(place), free_port=free_ports(1)[0], keep_images=options.config is not None
    )
    if options.node_image:
        return config, options.node_image
    return config, None if config.names_images else node_image_of(program.version)


def _create(
    program: KindProgram,
    options: KindOptions,
    config: ClusterConfig,
    image: str | None,
    made: KindRecord,
    files: KindFiles,
    remember: Remember,
    tell: Tell,
) -> None:
    files.kubeconfig.unlink(missing_ok=True)
    write_atomically(files.config, config.text)
    remember(made)
    tell(UpStep(PART, f"creating cluster {options.cluster}", transient=True))
    try:
        program.create(
            options.cluster,
            files.config,
            files.kubeconfig,
            image,
            began=lambda pid: note_creator(files.creator, pid),
            tell=lambda line: tell(UpStep(PART, line, transient=True)),
        )
    except BaseException as error:
        with shielded():
            _take_back(program, made, files, tell, error)
        raise
    tell(UpStep(PART, f"cluster {options.cluster} created", done=True))


def _take_back(
    program: KindProgram, made: KindRecord, files: KindFiles, tell: Tell, cause: BaseException
) -> None:
    """Delete what was begun; the first error is the one that is told.

    Making fails, too, because somebody else was quicker with the name: theirs stays.
    """
    try:
        if is_made_for_us(standing_cluster(program, made.cluster), made):
            _delete(program, made.cluster, files, tell)
    except TargetError as error:
        tell(UpStep(PART, f"what was begun is still there: {error}"))
        if isinstance(cause, TargetError):
            cause.aftermath = (
                f"what was begun is still there: kind delete cluster --name {made.cluster}"
            )


def _delete(program: KindProgram, cluster: str, files: KindFiles, tell: Tell) -> None:
    program.delete(cluster, files.kubeconfig, lambda line: tell(UpStep(PART, line, transient=True)))
    files.kubeconfig.unlink(missing_ok=True)

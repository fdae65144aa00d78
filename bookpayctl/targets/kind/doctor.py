"""What could stop `up --on kind`, found before it does. Nothing is changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Generic, TypeVar

from bookpayctl.targets.errors import TargetError
from bookpayctl.targets.kind.image_names import names_a_registry
from bookpayctl.targets.kind.kind_program import KindProgram, find_kind
from bookpayctl.targets.kind.node_contents import archived_image, held_images, refuse_without_image
from bookpayctl.targets.kind.options import KindOptions, read_kind_options
from bookpayctl.targets.kind.plan import TARGET, ImageStep, image_step
from bookpayctl.targets.kind.provision import context_of, new_config
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.connecting import open_cluster
from bookpayctl.targets.kube.doctor import examine_cluster, examine_kubectl
from bookpayctl.targets.kube.options import ClusterPlace, KubeOptions, read_options
from bookpayctl.targets.platform import Examination, ExaminationResult
from bookpayctl.targets.settings import Value

_INOTIFY: Final = Path("/proc/sys/fs/inotify/max_user_instances")
# Every node runs a systemd and a kubelet, which take some dozens each; kind's known issues ask for
# as many.
_INSTANCES_MIN: Final = 512

T = TypeVar("T")


def examine(values: Mapping[str, Value]) -> list[Examination]:
    """Look at everything; what needs a cluster only where there is one."""
    kind_options = read_kind_options(values)
    options = read_options(values, os.environ, TARGET)
    found = [examine_kubectl(), _inotify()]
    kind = _tried("kind", "on PATH", find_kind, _installation)
    found.append(kind.finding)
    program = kind.answer
    if program is None:
        return found
    clusters = _tried("engine", "answers kind", program.clusters, _listed)
    found.append(clusters.finding)
    if clusters.answer is None:
        return found
    if kind_options.cluster not in clusters.answer:
        return [*found, *_of_new_cluster(program, kind_options, options)]
    return [*found, *_of_standing_cluster(program, kind_options, options)]


def _of_new_cluster(
    program: KindProgram, kind_options: KindOptions, options: KubeOptions
) -> list[Examination]:
    def node_image() -> str:
        config, image = new_config(kind_options, program)
        return image or ("as its configuration says" if config.names_images else "")

    def image() -> str:
        refuse_without_image(kind_options, options.image)
        archived = archived_image(kind_options, options.image)
        return f"in {kind_options.archive}" if archived else "the nodes fetch it"

    return [
        _tried("cluster", "there, or to be made", node_image, "new: {}".format).finding,
        _tried("image", "in an archive, or a registry", image, str).finding,
    ]


def _of_standing_cluster(
    program: KindProgram, kind_options: KindOptions, options: KubeOptions
) -> list[Examination]:
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"

        def connect() -> Cluster:
            program.export_kubeconfig(kind_options.cluster, kubeconfig)
            return open_cluster(context_of(kind_options.cluster), str(kubeconfig))

        tried = _tried("cluster", "there, and its way in known", connect, _server)
        cluster = tried.answer
        if cluster is None:
            return [tried.finding]
        placed = replace(options, place=ClusterPlace(TARGET, str(kubeconfig)))
        return [
            tried.finding,
            _image(kind_options, options, cluster),
            *examine_cluster(placed, lambda: cluster),
        ]


def _image(kind_options: KindOptions, options: KubeOptions, cluster: Cluster) -> Examination:
    words = {
        ImageStep.KEEP: "in every node",
        ImageStep.LOAD: "will be loaded",
        ImageStep.LEAVE_TO_NODES: "the nodes fetch it",
    }

    def look() -> str:
        archived = archived_image(kind_options, options.image)
        held = held_images(cluster, options.image)
        wanted = None if archived is None else archived.image_id
        step = image_step(held, wanted, in_registry=names_a_registry(options.image))
        if step is ImageStep.REFUSE:
            refuse_without_image(kind_options, options.image)
        return words[step]

    return _tried("image", "in the nodes, an archive or a registry", look, str).finding


def _installation(program: KindProgram) -> str:
    return f"{program.version}, {program.path}"


def _listed(clusters: list[str]) -> str:
    return f"clusters: {', '.join(clusters) or 'none'}"


def _server(cluster: Cluster) -> str:
    return cluster.server


def _inotify() -> Examination:
    """Too few, and pods of a second node crash with `too many open files`."""
    required = f"{_INSTANCES_MIN} inotify instances or more"
    try:
        instances = int(_INOTIFY.read_text())
    except (OSError, ValueError):
        # Not Linux: the engine's own machine has them.
        return Examination(
            "inotify", ExaminationResult.OK, required, "the engine's machine has its own"
        )
    if instances >= _INSTANCES_MIN:
        return Examination("inotify", ExaminationResult.OK, required, str(instances))
    fix = f"sysctl fs.inotify.max_user_instances={_INSTANCES_MIN}"
    return Examination("inotify", ExaminationResult.WARNING, required, str(instances), fix)


@dataclass(frozen=True, slots=True)
class _Tried(Generic[T]):
    """Attributes: answer: None when it could not be had; the finding says why."""

    answer: T | None
    finding: Examination


def _tried(
    subject: str, required: str, question: Callable[[], T], say: Callable[[T], str]
) -> _Tried[T]:
    """The answer, and how it is told; an error is a finding."""
    try:
        answer = question()
    except TargetError as error:
        failed = ExaminationResult.FAILED
        return _Tried(None, Examination(subject, failed, required, str(error), error.fix))
    return _Tried(answer, Examination(subject, ExaminationResult.OK, required, say(answer)))

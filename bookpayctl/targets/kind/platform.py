"""kind as a platform: a cluster of the environment's own, and everything in it as in any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bookpayctl.targets import environment as environments
from bookpayctl.targets.environment import (
    Environment,
    EnvironmentMissingError,
    environment_root,
)
from bookpayctl.targets.kind.doctor import examine
from bookpayctl.targets.kind.kind_program import KindProgram, find_kind
from bookpayctl.targets.kind.node_contents import (
    archived_image,
    ensure_image,
    refuse_without_image,
)
from bookpayctl.targets.kind.options import (
    KindOptions,
    read_kind_options,
    refuse_another_cluster,
)
from bookpayctl.targets.kind.plan import TARGET, KindRecord, is_made_for_us, record_of
from bookpayctl.targets.kind.provision import (
    KindFiles,
    context_of,
    ensure_cluster,
    standing_cluster,
)
from bookpayctl.targets.kube.addresses import environment_in
from bookpayctl.targets.kube.connecting import open_cluster
from bookpayctl.targets.kube.made_secrets import DatabasePlace
from bookpayctl.targets.kube.options import ClusterPlace, KubeOptions, read_options
from bookpayctl.targets.kube.platform import KubePlatform, remove_stack
from bookpayctl.targets.kube.up import bring_up
from bookpayctl.targets.lock import environment_lock, lock_file
from bookpayctl.targets.platform import Examination, UpStep, Watch
from bookpayctl.targets.settings import Value
from bookpayctl.targets.target import Target


class KindPlatform:
    """See `Platform`. What is done in the cluster, `kube` does."""

    def bring_up(
        self, values: Mapping[str, Value], environ: Mapping[str, str], watch: Watch
    ) -> Environment:
        kind_options = read_kind_options(values)
        options = read_options(values, environ, TARGET)
        program = find_kind()
        with environment_lock(
            lock_file(options.name),
            "up",
            timeout_seconds=options.timeout_seconds,
            waiting=watch.waiting,
        ):
            return _bring_up(program, kind_options, options, watch)

    def take_down(
        self, name: str, *, timeout_seconds: float, purge: bool, watch: Watch
    ) -> list[str]:
        found, program = environments.load(name), find_kind()
        with environment_lock(
            lock_file(name), "down", timeout_seconds=timeout_seconds, waiting=watch.waiting
        ):
            removed = _take_down(
                program, found, timeout_seconds=timeout_seconds, purge=purge, watch=watch
            )
            if purge:
                environments.remove(found.root)
        return removed

    def examine(self, values: Mapping[str, Value]) -> list[Examination]:
        return examine(values)

    def open(self, environment: Environment) -> Target:
        return KubePlatform().open(environment)

    def reach(self, environment: Environment) -> Environment:
        return KubePlatform().reach(environment)


def _bring_up(
    program: KindProgram, kind_options: KindOptions, options: KubeOptions, watch: Watch
) -> Environment:
    root, context = environment_root(options.name), context_of(kind_options.cluster)
    known, files = _known(options.name), KindFiles(root)
    refuse_another_cluster(options.name, known, kind_options)
    # Before a cluster is made for it, which takes minutes.
    archived = archived_image(kind_options, options.image)

    def remember(next_record: KindRecord) -> None:
        if next_record != known:
            placed = _placed(options, files, next_record)
            environments.save(environment_in(placed, context, root, DatabasePlace(), []))

    record = ensure_cluster(
        program,
        kind_options,
        known,
        files,
        remember,
        watch.step,
        ready_to_create=lambda: refuse_without_image(kind_options, options.image),
    )
    cluster = open_cluster(context, str(files.kubeconfig))
    image_id = ensure_image(program, kind_options, cluster, options.image, archived, watch.step)
    placed = _placed(options, files, record, image_id)
    return bring_up(cluster, placed, root, watch.step)


def _placed(
    options: KubeOptions, files: KindFiles, record: KindRecord, image_id: str = ""
) -> KubeOptions:
    place = ClusterPlace(TARGET, str(files.kubeconfig), record.as_settings(), image_id)
    return replace(options, place=place)


def _known(name: str) -> KindRecord | None:
    try:
        return record_of(environments.load(name))
    except EnvironmentMissingError:
        return None


def _take_down(
    program: KindProgram,
    environment: Environment,
    *,
    timeout_seconds: float,
    purge: bool,
    watch: Watch,
) -> list[str]:
    record, files = record_of(environment), KindFiles(Path(environment.root))

    def tell(text: str) -> None:
        watch.step(UpStep("down", text))

    standing = None if record is None else standing_cluster(program, record.cluster)
    if record is None or standing is None:
        tell("its cluster is not there any more")
        return []
    ours = is_made_for_us(standing, record)
    if purge and ours:
        tell(f"deleting cluster {record.cluster}, which was made for this environment")
        program.delete(record.cluster, files.kubeconfig, tell)
        return [f"cluster/{record.cluster}"]
    if ours and not files.kubeconfig.exists():
        tell(f"cluster {record.cluster} was never finished; --purge deletes it")
        return []
    program.export_kubeconfig(record.cluster, files.kubeconfig)
    removed = remove_stack(environment, timeout_seconds=timeout_seconds, purge=purge, watch=watch)
    if purge:
        tell(f"cluster {record.cluster} stays: it was not made for this environment")
    return removed

"""The image in the nodes: looked for by its id, loaded from an archive, or left to the nodes.

A name says nothing: another image may lie under it since the last build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bookpayctl.targets.kind.engine import held_image, node_container
from bookpayctl.targets.kind.errors import ImageMissingError, KindFailedError
from bookpayctl.targets.kind.image_archive import MAKE, ArchivedImage, read_archived_image
from bookpayctl.targets.kind.image_names import full_image_name, names_a_registry
from bookpayctl.targets.kind.kind_program import KindProgram
from bookpayctl.targets.kind.options import KindOptions
from bookpayctl.targets.kind.plan import ImageStep, image_step
from bookpayctl.targets.kube.cluster import Cluster
from bookpayctl.targets.kube.kinds import NODE
from bookpayctl.targets.platform import UpStep

_PART: Final = "image"

Tell = Callable[[UpStep], None]


def archived_image(options: KindOptions, image: str) -> ArchivedImage | None:
    """The image in the archive that the user named; None when none was named.

    Raises:
        ArchiveError: it is no archive, or holds another image.
    """
    return None if options.archive is None else read_archived_image(options.archive, image)


def refuse_without_image(options: KindOptions, image: str) -> None:
    """See that a cluster that is new can come to the image.

    Raises:
        ImageMissingError: it cannot.
    """
    if options.archive is None and not names_a_registry(image):
        raise _image_missing(options.cluster, image, [])


def ensure_image(
    program: KindProgram,
    options: KindOptions,
    cluster: Cluster,
    image: str,
    archived: ArchivedImage | None,
    tell: Tell,
) -> str:
    """Have the image in every node; its id, or nothing where the nodes fetch it themselves.

    Raises:
        ImageMissingError: the nodes do not hold it; the remedy says how to bring it.
        KindFailedError: it could not be loaded, or the nodes hold different ones.
    """
    held = held_images(cluster, image)
    wanted = None if archived is None else archived.image_id
    step = image_step(held, wanted, in_registry=names_a_registry(image))
    if step is ImageStep.REFUSE:
        without = sorted(node for node, image_id in held.items() if image_id is None)
        raise _image_missing(options.cluster, image, without)
    if step is ImageStep.LOAD and options.archive is not None:
        tell(UpStep(_PART, f"loading {options.archive.name} into the nodes", transient=True))
        program.load(
            options.cluster,
            options.archive,
            lambda line: tell(UpStep(_PART, line, transient=True)),
        )
        held = held_images(cluster, image)
        if set(held.values()) != {wanted}:
            raise KindFailedError(
                f"kind loaded {options.archive}, and under {image} the nodes hold {_said(held)}"
                f" instead of {wanted}"
            )
    known = {image_id for image_id in held.values() if image_id}
    if len(known) > 1:
        raise KindFailedError(f"the nodes hold different images under {image}: {_said(held)}")
    place = "in every node" if known else "left to the nodes"
    tell(UpStep(_PART, f"{image} {place}", done=True))
    return next(iter(known), "")


def held_images(cluster: Cluster, image: str) -> dict[str, str | None]:
    """Node -> id of the image that it holds under the name; None where it holds none."""
    nodes = [node_container(str(node["spec"].get("providerID"))) for node in cluster.objects(NODE)]
    return {node.name: held_image(node, full_image_name(image)) for node in nodes}


def _said(held: Mapping[str, str | None]) -> str:
    return ", ".join(f"{image_id or 'none'} ({node})" for node, image_id in sorted(held.items()))


def _image_missing(cluster: str, image: str, without: list[str]) -> ImageMissingError:
    """The refusal, with the commands that bring the image."""
    named = f" ({', '.join(without)})" if without else ""
    error = ImageMissingError(
        f"the nodes of cluster {cluster}{named} have no image {image}, and its name names no"
        " registry to fetch it from"
    )
    error.fix = f"{MAKE} --tag {image}, then `bookpayctl up --on kind --archive F.tar`"
    return error

"""The list of materials: every wheel and jar with its version and hash, as CycloneDX JSON."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from bookpayctl.image.description import ImageOrigin
from bookpayctl.image.layer import EPOCH
from bookpayctl.image.materials import Material

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

# Serial numbers are names of contents here: the same list has the same one.
_NAMESPACE: Final = uuid.UUID("3f1dbb1c-52a1-5f0e-9a8e-6a1f7e1b0a61")


def written_sbom(origin: ImageOrigin, base: str, materials: Sequence[Material]) -> str:
    """The list, with neither a time nor a random number in it.

    Args:
        base: what the image stands on, as text: its name and the digests of its layers.
    """
    # A quarter of a second to import, and needed by one command only.
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    whole = Component(
        name="bookpay",
        version=origin.version,
        type=ComponentType.CONTAINER,
        bom_ref="bookpay",
        properties=[
            Property(name="bookpay:base", value=base),
            Property(name="bookpay:revision", value=origin.revision),
        ],
    )
    bom = Bom(components=[_component(material) for material in materials])
    bom.metadata.component = whole
    bom.metadata.timestamp = datetime.fromisoformat(EPOCH)
    bom.register_dependency(whole, bom.components)
    told = [
        origin.version,
        origin.revision,
        base,
        *(str(material.as_record()) for material in materials),
    ]
    bom.serial_number = uuid.uuid5(_NAMESPACE, "\n".join(told))
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return f"{text}\n"


def _component(material: Material) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    # A jar that does not tell its group has no name in the sense of package URLs.
    kind = material.kind if material.group or material.kind == "pypi" else "generic"
    purl = PackageURL(kind, material.group or None, material.name, material.version)
    return Component(
        name=material.name,
        group=material.group or None,
        version=material.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=material.sha256)],
        properties=[Property(name="bookpay:file", value=material.file)],
    )

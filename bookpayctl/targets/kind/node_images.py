"""Which node image belongs to which release of kind.

An image of another release may not start, and its digest is another one; kind's own default is
often newer than the operators know. So each release has one image here, and a release that is not
here is refused unless the user names an image.
"""

from __future__ import annotations

import re
from typing import Final

from bookpayctl.targets.kind.errors import KindMissingError

NODE_IMAGES: Final = {
    "0.33.0": "v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
    "0.32.0": "v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5",
    "0.31.0": "v1.35.0@sha256:452d707d4862f52530247495d180205e029056831160e22870e37e3f6c1ac31f",
    "0.30.0": "v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a",
}
"""kind's release -> tag and digest of kindest/node. Source: the notes of each release of kind."""

REPOSITORY: Final = "kindest/node"

_VERSION: Final = re.compile(r"\bkind v?(\d+\.\d+\.\d+(?:-\S+)?)")


def kind_version(said: str) -> str:
    """The release in what `kind version` prints, e.g. `kind v0.33.0 go1.26.8 linux/amd64`.

    Raises:
        KindMissingError: what was printed names none.
    """
    found = _VERSION.search(said)
    if found is None:
        raise KindMissingError(f"`kind version` says {said.strip()[:80]!r}, which names no release")
    return found[1]


def node_image_of(version: str) -> str:
    """The node image of a release of kind.

    Raises:
        KindMissingError: the release is not in the table.
    """
    try:
        return f"{REPOSITORY}:{NODE_IMAGES[version]}"
    except KeyError:
        error = KindMissingError(
            f"no node image is known for kind {version}; known are {', '.join(NODE_IMAGES)}"
        )
        error.fix = (
            "name one of Kubernetes 1.34 to 1.36 from the notes of that release of kind:"
            " --kind-image kindest/node:...@sha256:..."
        )
        raise error from None

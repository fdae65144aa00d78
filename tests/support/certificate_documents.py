"""What `certify --plan` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bookpayctl.certify.planning import CertificatePart, Need, Piece, plan
from bookpayctl.cli.commands.certify import certificate_plan
from bookpayctl.cli.output import Document

PIECES: Final = (
    Piece(CertificatePart.CHECK, "check", 45.0, Need.ALWAYS),
    Piece(CertificatePart.DRILLS, "outage --at kafka", 51.0),
    Piece(CertificatePart.DRILLS, "outage --at postgres", 51.0, Need.EXTRA),
    Piece(CertificatePart.AUDIT, "audit", 20.0, Need.ALWAYS),
)

CERTIFICATE_DOCUMENTS: Final[dict[str, Callable[[], Document]]] = {
    "CertificatePlan": lambda: certificate_plan(plan(PIECES, budget_seconds=120.0)),
}
